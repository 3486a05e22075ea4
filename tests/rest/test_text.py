"""Texts for messages."""

from __future__ import annotations

import pytest

import azurerm_lite as az
from azurerm_lite._text import collapse, duration
from azurerm_lite.rollout.messages import provisioning_failed
from azurerm_lite.sandbox import Sandbox


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no  capacity\r\nhere", "no capacity here"),
        ("\x1b[2J\x1b]0;owned\x07done", "?[2J?]0;owned?done"),
        ("容量不足 – ça va", "容量不足 – ça va"),
        (5, ""),
    ],
)
def test_a_text_of_azures_cannot_control_a_terminal(text: object, expected: str) -> None:
    """It is on one line, and its other characters stay."""
    assert collapse(text) == expected


def test_no_message_has_control_characters(sandbox: Sandbox) -> None:
    """Neither an error of Azure nor the failure of an instance."""
    sandbox.fail_next(409, message="\x1b[2Jno")
    with pytest.raises(az.AzureError, match=r"^\?\[2Jno \("):
        az.get_vmss(*sandbox.where())
    assert provisioning_failed("\x1b[1m", "\x1b[2J") == "provisioning failed: ?[1m: ?[2J"
