"""The public API changes only on purpose: a listing of signatures, and the changelog."""

from __future__ import annotations

import re

from support.pages import ROOT
from support.public_api import LISTING, RELEASED, changed, listing, missing, read

import azurerm_lite as az

KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
CHANGELOG = (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_public_names_are_those_of_the_listing() -> None:
    """After a change: `python tests/support/public_api.py`, and a line in CHANGELOG.md."""
    assert changed(read(LISTING), listing()) == []


def test_the_changelog_names_what_changed_since_the_last_release() -> None:
    """A name that is new, gone or changed is in backticks in the section Unreleased."""
    assert missing(changed(read(RELEASED), listing()), CHANGELOG) == []


def test_a_change_is_found_and_must_be_in_the_changelog() -> None:
    """A new name, one that is gone and a new option are three changes."""
    before = {"get_vmss": "(a)", "old": "(a)", "same": "(a)"}
    names = changed(before, {"get_vmss": "(a, *, b=1)", "new": "(a)", "same": "(a)"})
    assert names == ["get_vmss", "new", "old"]
    text = "# C\n\n## Unreleased\n\n- `get_vmss(..., b=)` and new\n\n## 0.1.0\n\n- `old()`\n"
    assert missing(names, text) == ["new", "old"]
    assert missing(names, "# C\n") == names


def test_the_changelog_is_kept_in_order() -> None:
    """Unreleased first, then versions with their day, newest first, with the usual sections.

    The version of the package is the newest released one, or a later one.
    """
    ours = tuple(int(part) for part in az.__version__.split("."))
    first, *releases = re.findall(r"^## (.+)$", CHANGELOG, re.MULTILINE)
    assert first == "Unreleased"
    versions = [re.fullmatch(r"(\d+)\.(\d+)\.(\d+) - \d{4}-\d\d-\d\d", each) for each in releases]
    numbers = [tuple(map(int, each.groups())) for each in versions if each]
    assert len(numbers) == len(releases)
    assert numbers == sorted(numbers, reverse=True)
    assert ours >= max(numbers, default=ours)
    assert set(re.findall(r"^### (.+)$", CHANGELOG, re.MULTILINE)) <= KINDS


def test_the_listing_of_the_last_release_is_older_than_ours() -> None:
    """Before the first release it is empty; afterwards the changelog has a release."""
    assert bool(read(RELEASED)) == bool(re.search(r"^## \d", CHANGELOG, re.MULTILINE))
