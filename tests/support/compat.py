"""The names of azurerm, listed from its source."""

from __future__ import annotations

from pathlib import Path

from azurerm_lite import compat

TESTS = Path(__file__).parents[1]


SIGNATURES = (TESTS / "azurerm_signatures.txt").read_text("utf-8").replace("\n  ", " ").splitlines()
"""azurerm 0.10.0's own, a line each; the longer proofs hold this file against the real package."""


FUNCTIONS = {
    name: getattr(compat, name) for name in compat.__all__ if callable(getattr(compat, name))
}


NEW = "22.04.202411010"
