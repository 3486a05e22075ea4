"""install_as_azurerm(): the one door to `compat` that does not load it before it is asked for."""

from __future__ import annotations


def install_as_azurerm() -> None:
    """Make `import azurerm` find `azurerm_lite.compat`, in this process, whether azurerm is installed or not.

    `python -m azurerm_lite.compat script.py` does this and runs a script.

    Returns:
        Nothing. Calling it again does no harm.
    """
    from . import compat  # here and not above: only azurerm's scripts need it

    compat._install()
