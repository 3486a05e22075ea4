"""The public API matches its listing, and the changelog has each change."""

from __future__ import annotations

import re

from support.pages import ROOT
from support.public_api import LISTING, RELEASED, changed, listing, missing, read

import azurerm_lite as az

KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
CHANGELOG = (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_public_names_are_those_of_the_listing() -> None:
    """After a change, run `python tests/support/public_api.py` and add it to CHANGELOG.md."""
    assert changed(read(LISTING), listing()) == []


def test_the_changelog_has_every_change_since_the_last_release() -> None:
    """New, removed and changed names are in backticks in the section Unreleased."""
    assert missing(changed(read(RELEASED), listing()), CHANGELOG) == []


def test_a_change_is_found_and_must_be_in_the_changelog() -> None:
    """A new name, a removed name and a new option are three changes."""
    before = {"get_vmss": "(a)", "old": "(a)", "same": "(a)"}
    names = changed(before, {"get_vmss": "(a, *, b=1)", "new": "(a)", "same": "(a)"})
    assert names == ["get_vmss", "new", "old"]
    text = "# C\n\n## Unreleased\n\n- `get_vmss(..., b=)` and new\n\n## 0.1.0\n\n- `old()`\n"
    assert missing(names, text) == ["new", "old"]
    assert missing(names, "# C\n") == names


def test_the_changelog_is_in_order() -> None:
    """Unreleased is first, then come the versions with dates, newest first.

    The version of the package is not older than the newest release.
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


def test_the_listing_of_the_last_release_is_empty_before_the_first_release() -> None:
    """It has names exactly if the changelog has a release."""
    assert bool(read(RELEASED)) == bool(re.search(r"^## \d", CHANGELOG, re.MULTILINE))
