"""The picture of the layers is the one that the import rules give."""

from __future__ import annotations

import runpy

from support.pages import ROOT


def test_the_picture_of_the_layers_is_current() -> None:
    """Run `python docs/pictures/layers.py` after a change of the layers in setup.cfg."""
    drawn = runpy.run_path(str(ROOT / "docs" / "pictures" / "layers.py"))
    svg = (ROOT / "docs" / "pictures" / "layers.svg").read_text("utf-8")
    assert svg == drawn["draw"](drawn["layers"]())
