"""Print the lowest allowed version of each run-time dependency, as constraints for pip."""

import re
from pathlib import Path

text = (Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8")
(dependencies,) = re.findall(r"^dependencies = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)
bounds = re.findall(r'^ *"([\w-]+)>=([\d.]+)"', dependencies, re.MULTILINE)
assert len(bounds) == len(dependencies.strip().splitlines()), (
    "each dependency must have exactly one lower bound"
)
for name, version in bounds:
    print(f"{name}=={version}")
