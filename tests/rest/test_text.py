"""Text for messages: plurals, lists of ids, one-line errors."""

from __future__ import annotations

from typing import Any

import pytest

from azurerm_lite._text import collapse, join_ids, one_line, plural


@pytest.mark.parametrize(
    ("number", "noun", "expected"),
    [
        (0, "instance", "0 instances"),
        (1, "instance", "1 instance"),
        (2, "instance", "2 instances"),
        (1, "batch", "1 batch"),
        (3, "batch", "3 batches"),
    ],
)
def test_a_number_has_the_plural_of_its_noun(number: int, noun: str, expected: str) -> None:
    """One is singular; batches end in es."""
    assert plural(number, noun) == expected


def test_a_long_list_of_ids_ends_with_a_count() -> None:
    """Twenty ids are shown unless the caller says otherwise, then how many more there are."""
    assert join_ids([]) == ""
    assert join_ids(["1", "2"]) == "1, 2"
    assert join_ids(["1", "2", "3", "4"], 2) == "1, 2 and 2 more"
    assert join_ids([str(number) for number in range(21)]).endswith("18, 19 and 1 more")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(" a\r\n  b\tc ", "a b c"), ("", ""), (None, ""), (5, ""), (["a"], ""), ({"a": 1}, "")],
)
def test_white_space_is_collapsed_and_other_types_are_empty(value: Any, expected: str) -> None:
    """JSON of Azure may hold anything where a text is expected."""
    assert collapse(value) == expected


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("two\n lines"), "two lines"),
        (ValueError(), "ValueError"),
        (KeyError(), "KeyError"),
        (TimeoutError(" \n "), "TimeoutError"),
    ],
)
def test_an_exception_is_one_line(error: BaseException, text: str) -> None:
    """What an exception says fits a log line; one that says nothing is told by its class."""
    assert one_line(error) == text
