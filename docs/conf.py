"""Configuration of the documentation: `python -m sphinx -W -b html docs docs/_build/html`."""

import re

from azurerm_lite import __version__

project = "azurerm-lite"
project_copyright = "2026, the azurerm-lite developers"
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = f"azurerm-lite {__version__}"
exclude_patterns = ["_build"]
autodoc_typehints = "signature"
napoleon_custom_sections = ["Azure"]
# Show attributes in the docstring of a class only, not again as members.
napoleon_use_ivar = True
myst_heading_anchors = 3


# Service of each operation group in the REST reference; the default is compute.
SERVICES = {
    "Subscriptions": "resources",
    "Resource Groups": "resources",
    "Network Interfaces": "virtualnetwork",
    "Public IP Addresses": "virtualnetwork",
}


def operation_url(group, operation):
    """Return the URL of an operation in Microsoft's REST reference."""
    path = [
        SERVICES.get(group, "compute"),
        *(name.lower().replace(" ", "-") for name in (group, operation)),
    ]
    return "https://learn.microsoft.com/rest/api/" + "/".join(path)


def link_operations(line):
    """Add links to a line such as `Azure: group - operation; operation.`.

    Other lines are returned unchanged.
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


def format_docstring(app, what, name, obj, options, lines):
    """Format single backticks of docstrings as code, and operations as links."""
    lines[:] = [link_operations(re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", line)) for line in lines]


def setup(app):
    """Register the docstring formatter so that it runs before napoleon."""
    app.connect("autodoc-process-docstring", format_docstring, priority=100)
