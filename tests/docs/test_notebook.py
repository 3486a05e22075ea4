"""The example notebook runs, and its page in the docs is current.

`python tests/docs/test_notebook.py` runs it and writes docs/notebook.md with its pictures. Review
them afterwards.
"""

from __future__ import annotations

import ast
import html
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from support.heatmap import one_element_per_line

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "examples" / "notebooks" / "rollout.ipynb"
PAGE = ROOT / "docs" / "notebook.md"
HEAD = (
    "<!-- Made from examples/notebooks/rollout.ipynb by tests/docs/test_notebook.py: "
    "change that, not this. -->\n\n"
)


def cells(kind: str) -> list[dict[str, Any]]:
    """Return the cells of a kind, from the file in git."""
    found = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == kind]


def execute() -> Any:
    """Run the notebook in a new kernel; return it with its outputs."""
    nbformat = pytest.importorskip(
        "nbformat", reason="needs the extra `notebook`: nbclient is not installed"
    )
    nbclient = pytest.importorskip(
        "nbclient", reason="needs the extra `notebook`: nbclient is not installed"
    )
    pytest.importorskip(
        "ipykernel", reason="needs the extra `notebook`: ipykernel is not installed"
    )
    notebook = nbformat.read(NOTEBOOK, 4)
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    return notebook


def render(notebook: Any) -> dict[Path, str]:
    """Return the text of the docs page and its pictures, by file."""
    text = HEAD
    pictures = {}
    for cell in notebook["cells"]:
        text += (
            f"{cell['source']}\n\n"
            if cell["cell_type"] == "markdown"
            else f"```py\n{cell['source']}\n```\n\n"
        )
        printed = "".join(
            output["text"]
            for output in cell.get("outputs", ())
            if output["output_type"] == "stream"
        )
        for output in cell.get("outputs", ()):
            if "text/html" in output.get("data", {}):
                path = PAGE.parent / "pictures" / f"notebook-{len(pictures) + 1}.svg"
                svg = re.search("<svg.*</svg>", output["data"]["text/html"], re.DOTALL)
                assert svg, "the output must be a heat map"
                pictures[path] = one_element_per_line(svg[0])
                label = re.search('aria-label="([^"]*)"', svg[0])
                text += f"![{html.unescape(label[1]) if label else ''}](pictures/{path.name})\n\n"
        text += f"```text\n{printed.rstrip()}\n```\n\n" if printed else ""
    return {PAGE: text.rstrip() + "\n", **pictures}


def timeless(text: str) -> str:
    """Return a text without times and durations."""
    text = re.sub(r"^.*: InProgress, \d+ s\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|\b\d\d:\d\d:\d\d\b", "TIME", text)
    return re.sub(r"\b(?:\d+ min )?\d+ s\b", "N s", text)


def test_no_outputs_are_in_git() -> None:
    """Cells have no outputs and no numbers, so that a run does not change the file in git."""
    assert all(
        (cell["outputs"], cell["execution_count"], cell["metadata"]) == ([], None, {})
        for cell in cells("code")
    )


def test_the_code_is_valid_and_on_the_page() -> None:
    """Every code cell is valid Python; the page has all cells in order."""
    page = PAGE.read_text("utf-8")
    place = 0
    for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"]:
        source = "".join(cell["source"])
        place = page.index(source, place) + len(source)
        if cell["cell_type"] == "code":
            ast.parse(source)


def test_the_five_lines_of_the_docs_are_in_the_notebook() -> None:
    """The notebook runs the lines on docs/heatmap.md."""
    (block,) = re.findall(
        r"^```py\n(.*?)\n```$",
        (PAGE.parent / "heatmap.md").read_text("utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    assert block.replace("\n\n", "\n").count("\n") == 4
    assert block in ["".join(cell["source"]) for cell in cells("code")]


@pytest.mark.slow
def test_the_notebook_runs_and_its_page_is_current() -> None:
    """It takes less than a minute; page and pictures have its outputs."""
    began = time.monotonic()
    found = render(execute())
    assert time.monotonic() - began < 60
    assert {path.name: timeless(text) for path, text in found.items()} == {
        path.name: timeless(path.read_text("utf-8"))
        for path in [PAGE, *PAGE.parent.glob("pictures/notebook-*.svg")]
    }


if __name__ == "__main__":
    for file, content in render(execute()).items():
        file.write_text(content, "utf-8", newline="\n")
