"""How the documentation is built: `python -m sphinx -W -b html docs docs/_build/html`."""

import re

from azurerm_lite import __version__

project = "azurerm-lite"
project_copyright = "2026, the azurerm-lite developers"
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = f"azurerm-lite {__version__}"
exclude_patterns = ["_build"]
autodoc_typehints = "signature"
napoleon_custom_sections = ["Azure"]
# Attributes stand in the text of a class, and not with its members once more.
napoleon_use_ivar = True
myst_heading_anchors = 3


# Groups of the REST reference, and under which service their pages stand there; else under compute.
SERVICES = {
    "Subscriptions": "resources",
    "Resource Groups": "resources",
    "Network Interfaces": "virtualnetwork",
    "Public IP Addresses": "virtualnetwork",
}


def operation_url(group, operation):
    """Return the page of an operation in Microsoft's REST reference."""
    path = [
        SERVICES.get(group, "compute"),
        *(name.lower().replace(" ", "-") for name in (group, operation)),
    ]
    return "https://learn.microsoft.com/rest/api/" + "/".join(path)


def linked(line):
    """Return the last line of a docstring, `Azure: group - operation; operation.`, with links.

    Other lines are returned as they are.
    """
    match = re.fullmatch(
        r"Azure: ((?:Virtual|Gallery|Subscriptions|Resource|Network|Public)[\w ]*) - ([\w ;]+)\.",
        line,
    )
    if not match:
        return line
    group = match[1]
    operations = [operation.strip() for operation in match[2].split(";")]
    links = [
        f"`{group} - {operation} <{operation_url(group, operation)}>`__" for operation in operations
    ]
    return f"Azure: {'; '.join(links)}."


def code_spans(app, what, name, obj, options, lines):
    """Turn the single backticks of docstrings into code, and names of operations into links."""
    lines[:] = [linked(re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", line)) for line in lines]


def setup(app):
    """Connect to Sphinx, before napoleon."""
    app.connect("autodoc-process-docstring", code_spans, priority=100)
