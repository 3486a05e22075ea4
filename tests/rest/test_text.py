"""Texts for messages."""

from __future__ import annotations

import pytest

from azurerm_lite._text import duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.25, "0.25 s"),
        (45, "45 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min"),
        (125, "2 min 5 s"),
        (1800, "30 min"),
        (3599.4, "59 min 59 s"),
        (3599.9, "1 h"),
        (5400, "1 h 30 min"),
        (86399, "24 h"),
    ],
)
def test_duration_names_only_the_parts_that_matter(seconds: float, text: str) -> None:
    """Parts that are zero are left out, and long durations have no seconds."""
    assert duration(seconds) == text
