"""How the documentation is built: `python -m sphinx -W -b html docs docs/_build/html`."""

import re

from azurerm_lite import __version__

project = "azurerm-lite"
copyright = "2026, the azurerm-lite developers"
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = f"azurerm-lite {__version__}"
exclude_patterns = ["_build"]
autodoc_typehints = "signature"
napoleon_custom_sections = ["Azure"]
myst_heading_anchors = 3


def code_spans(app, what, name, obj, options, lines):
    """Makes the docstrings' single backticks what they mean, code, before anybody reads them as something else."""
    lines[:] = [re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", line) for line in lines]


def setup(app):
    """Hooks into Sphinx, ahead of napoleon."""
    app.connect("autodoc-process-docstring", code_spans, priority=100)
