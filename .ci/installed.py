"""Check a Python that has only azurerm-lite: nothing was installed but its dependencies."""

import re
from importlib import metadata

import azurerm_lite as az

DIRECT = {"requests", "msal", "typing-extensions"}


def normal(name: str) -> str:
    """A name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(name: str) -> set[str]:
    """What a distribution asks for without extras."""
    asked = metadata.requires(name) or []
    return {
        normal(re.split(r"[^\w.-]", each, maxsplit=1)[0])
        for each in asked
        if "extra ==" not in each
    }


installed = {normal(each.name) for each in metadata.distributions()} - {"pip", "setuptools"}
reached, waiting = set(), {"azurerm-lite"}
while waiting:
    reached |= waiting
    waiting = {name for each in waiting for name in needed(each) & installed} - reached
assert needed("azurerm-lite") == DIRECT, needed("azurerm-lite")
assert installed == reached, installed - reached
assert metadata.version("azurerm-lite") == az.__version__, az.__version__
assert all(hasattr(az, name) for name in az.__all__)
print(
    az.__version__,
    len(az.__all__),
    "public names;",
    "installed with it:",
    *sorted(installed - {"azurerm-lite"}),
)
