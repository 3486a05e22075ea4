"""The notebook of the examples: it runs, and the page of the docs shows what it shows.

`python tests/docs/test_notebook.py` runs it and writes docs/notebook.md and its pictures; they are
to be looked at then.
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
from support.heatmap import spaced

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "examples" / "notebooks" / "rollout.ipynb"
PAGE = ROOT / "docs" / "notebook.md"
HEAD = (
    "<!-- Made from examples/notebooks/rollout.ipynb by tests/docs/test_notebook.py: "
    "change that, not this. -->\n\n"
)


def cells(kind: str) -> list[dict[str, Any]]:
    """The notebook's cells of a kind, as they are in git."""
    found = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == kind]


def executed() -> Any:
    """The notebook with its outputs, run in a kernel of its own."""
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


def rendered(notebook: Any) -> dict[Path, str]:
    """The page of the docs and its pictures, by the files that hold them."""
    text, pictures = HEAD, {}
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
                assert svg, "what the notebook shows is the heat map"
                pictures[path] = spaced(svg[0])
                told = re.search('aria-label="([^"]*)"', svg[0])
                text += f"![{html.unescape(told[1]) if told else ''}](pictures/{path.name})\n\n"
        text += f"```text\n{printed.rstrip()}\n```\n\n" if printed else ""
    return {PAGE: text.rstrip() + "\n", **pictures}


def timeless(text: str) -> str:
    """A text without what depends on the day and on how fast the machine is."""
    text = re.sub(r"^.*: InProgress, \d+ s\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|\b\d\d:\d\d:\d\d\b", "TIME", text)
    return re.sub(r"\b\d+ s\b", "N s", text)


def test_no_outputs_are_in_git() -> None:
    """Cells have no outputs and no numbers, so that a run leaves no trace in a diff."""
    assert all(
        (cell["outputs"], cell["execution_count"], cell["metadata"]) == ([], None, {})
        for cell in cells("code")
    )


def test_the_code_is_valid_and_the_page_shows_it() -> None:
    """The code of every cell is Python; the page has each cell word by word, in order."""
    page = PAGE.read_text("utf-8")
    place = 0
    for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"]:
        source = "".join(cell["source"])
        place = page.index(source, place) + len(source)
        if cell["cell_type"] == "code":
            ast.parse(source)


def test_the_five_lines_of_the_docs_are_in_the_notebook() -> None:
    """What docs/heatmap.md shows of a notebook is in the notebook, where it is run."""
    (block,) = re.findall(
        r"^```py\n(.*?)\n```$",
        (PAGE.parent / "heatmap.md").read_text("utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    assert block.replace("\n\n", "\n").count("\n") == 4
    assert block in ["".join(cell["source"]) for cell in cells("code")]


@pytest.mark.slow
def test_the_notebook_runs_and_the_docs_show_what_it_shows() -> None:
    """It takes less than a minute, and shows what the page and its pictures show."""
    began = time.monotonic()
    found = rendered(executed())
    assert time.monotonic() - began < 60
    assert {path.name: timeless(text) for path, text in found.items()} == {
        path.name: timeless(path.read_text("utf-8"))
        for path in [PAGE, *PAGE.parent.glob("pictures/notebook-*.svg")]
    }


if __name__ == "__main__":
    for file, content in rendered(executed()).items():
        file.write_text(content, "utf-8", newline="\n")
