"""Check that azurerm-lite and its dependencies are the only installed packages."""

import re
from importlib import metadata

import azurerm_lite as az

DIRECT = {"requests", "msal", "typing-extensions"}


def normalise(name: str) -> str:
    """Return a package name in its normalised form."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements_of(name: str) -> set[str]:
    """Return the requirements of a distribution, without extras."""
    requirements = [text for text in metadata.requires(name) or [] if "extra ==" not in text]
    return {normalise(re.split(r"[^\w.-]", text, maxsplit=1)[0]) for text in requirements}


installed = {normalise(found.name) for found in metadata.distributions()} - {"pip", "setuptools"}
reached: set[str] = set()
pending = {"azurerm-lite"}
while pending:
    reached |= pending
    pending = {name for found in pending for name in requirements_of(found) & installed} - reached
assert requirements_of("azurerm-lite") == DIRECT, requirements_of("azurerm-lite")
assert installed == reached, installed - reached
assert metadata.version("azurerm-lite") == az.__version__, az.__version__
assert all(hasattr(az, name) for name in az.__all__)
print(
    az.__version__,
    len(az.__all__),
    "public names;",
    "installed dependencies:",
    *sorted(installed - {"azurerm-lite"}),
)
