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
napoleon_use_ivar = (
    True  # attributes stand in the text of a class, not beside its members once more
)
myst_heading_anchors = 3


# Groups of the REST reference, and under which service their pages stand there; else under compute.
SERVICES = {
    "Subscriptions": "resources",
    "Resource Groups": "resources",
    "Network Interfaces": "virtualnetwork",
    "Public IP Addresses": "virtualnetwork",
}


def operation_url(group, operation):
    """The page of an operation in Microsoft's REST reference."""
    path = [
        SERVICES.get(group, "compute"),
        *(name.lower().replace(" ", "-") for name in (group, operation)),
    ]
    return "https://learn.microsoft.com/rest/api/" + "/".join(path)


def linked(line):
    """A docstring's last line, `Azure: group - operation; operation.`, with a link to each; others as they are."""
    match = re.fullmatch(
        r"Azure: ((?:Virtual|Gallery|Subscriptions|Resource|Network|Public)[\w ]*) - ([\w ;]+)\.",
        line,
    )
    if not match:
        return line
    operations = [each.strip() for each in match[2].split(";")]
    links = [f"`{match[1]} - {each} <{operation_url(match[1], each)}>`__" for each in operations]
    return f"Azure: {'; '.join(links)}."


def code_spans(app, what, name, obj, options, lines):
    """Makes the docstrings' single backticks what they mean, code, and the names of operations links."""
    lines[:] = [linked(re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", line)) for line in lines]


def setup(app):
    """Hooks into Sphinx, ahead of napoleon."""
    app.connect("autodoc-process-docstring", code_spans, priority=100)
