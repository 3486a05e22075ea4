"""Draw docs/pictures/layers.svg: the layers of the package, from the import rules in setup.cfg.

Run it by `python docs/pictures/layers.py`.
"""

from __future__ import annotations

import configparser
from pathlib import Path

HERE = Path(__file__).parent
WIDTH = 640
HEIGHT = 34
GAP = 8
WHAT = {
    "__main__": "python -m azurerm_lite",
    "cli": "the commands",
    "sandbox": "the local Azure",
    "fleet | compat": "many sets; azurerm's names",
    "rollout": "batches, checks, rollback",
    "image_drift": "instances behind the newest version",
    "heatmap | resource_graph": "pictures; queries over subscriptions",
    "vmss | images | subscriptions": "one function for each operation",
    "_run_command": "scripts on instances",
    "_flexible": "Flexible sets in the shape of Uniform ones",
    "auth | operations": "tokens; long-running operations",
    "rest": "session, retries, pages, errors",
    "_shapes | _urls | _retry": "pure: answers, URLs, when to retry",
    "errors | instances": "exceptions; states and domains",
    "_arguments | _azurerm_names | _clock | _ids | _text | settings | types": "basics",
}
"""What each layer is for."""


def layers() -> list[str]:
    """Return the layers of the package, the highest first."""
    config = configparser.ConfigParser()
    config.read(HERE.parent.parent / "setup.cfg", encoding="utf-8")
    return config["importlinter:contract:layers"]["layers"].strip().splitlines()


def draw(names: list[str]) -> str:
    """Return the picture as SVG; its boxes are readable on light and on dark pages."""
    height = len(names) * (HEIGHT + GAP) + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}"'
        f' height="{height}" font-family="sans-serif" font-size="13">',
        "<title>The layers of azurerm-lite: a module imports only from lower layers</title>",
    ]
    for number, name in enumerate(names):
        top = GAP + number * (HEIGHT + GAP)
        modules = name.replace(" | ", ", ")
        size = 12 if len(modules) < 50 else 10
        parts += [
            f'<rect x="4" y="{top}" width="{WIDTH - 8}" height="{HEIGHT}" rx="6" fill="#e8eef7"'
            ' stroke="#5b7db1"/>',
            f'<text x="16" y="{top + 22}" fill="#16263f" font-family="monospace"'
            f' font-size="{size}">{modules}</text>',
            f'<text x="{WIDTH - 16}" y="{top + 22}" fill="#3d5273" text-anchor="end">'
            f"{WHAT[name]}</text>",
        ]
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    (HERE / "layers.svg").write_text(draw(layers()), encoding="utf-8")
