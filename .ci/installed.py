"""Check a Python that has only azurerm-lite: nothing was installed but its dependencies."""

import re
from importlib import metadata

import azurerm_lite as az

DIRECT = {"requests", "msal", "typing-extensions"}


def normalise(name: str) -> str:
    """Return a name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(name: str) -> set[str]:
    """Return what a distribution needs without extras."""
    requirements = [text for text in metadata.requires(name) or [] if "extra ==" not in text]
    return {normalise(re.split(r"[^\w.-]", text, maxsplit=1)[0]) for text in requirements}


installed = {normalise(found.name) for found in metadata.distributions()} - {"pip", "setuptools"}
reached: set[str] = set()
pending = {"azurerm-lite"}
while pending:
    reached |= pending
    pending = {name for found in pending for name in needed(found) & installed} - reached
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
