"""Wording: what people read is in the field's terms, and pages keep their sentences short."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.pages import ROOT

READ_BY_USERS = sorted(
    [
        *(ROOT / "azurerm_lite").rglob("*.py"),
        *(ROOT / "examples").rglob("*.py"),
        *(ROOT / "docs").rglob("*.md"),
        *ROOT.glob("*.md"),
    ]
)
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])
RETIRED = {
    "another thing for rollback": r"way back|put back|gone back|goes back to the|going back to the",
    "another thing for reimage": r"anew|set up again",
    "another thing for in progress": r"under way|on its way",
    "another thing for resume": r"go(?:es)? on from there|gone on with|left half-way",
    "another thing for throttled": r"(?:refused|held back) for the pace|the pace",
    "a person that is not named": r"Whoever|whoever|Nobody|nobody|Somebody|somebody",
    "a relative clause instead of a noun": r"of those|no more than that|what is asked for|or so\b",
    "software that speaks": r"\btold\b|\btells\b|has no say",
    "software that feels": r"is (?:not )?content|is patient|patience",
    "another thing for unhealthy": r"\bill\b",
    "another thing for fix": r"\bmend(?:s|ed)?\b",
    "another thing for manually": r"\bby hand\b",
    "another thing for compared with": r"\bbeside the\b",
    "another thing for package, module, layer": r"\b(?:house|seam|this room|this floor)\b",
    "another thing for permanently": r"\bfor good\b",
    "a negated noun": r"(?<!here )\b(?:is|are|was|were) (?:no|none)\b(?! longer| more)",
    "another thing for does not exist": r"\bthere is no such\b",
    "a joke": r"hopeless|never_left|mischief",
}
"""What must not be written, by why; the field's own terms stand in the glossary."""
ALLOWED = {
    "CONTRIBUTING.md": {'instead of "is no dict"': "the example of a negated noun"},
    "docs/concepts.md": {"is no worse than": "a comparison"},
}
"""Lines that may keep a retired word: file, then a part of the line and the reason."""
LONGEST_MEAN = 20
"""Words of a sentence, on average over a page."""


def name_of(path: Path) -> str:
    """Return a path as it is in the repository."""
    return path.relative_to(ROOT).as_posix()


def retired_words(text: str) -> Iterator[str]:
    """Yield each retired word of a text, with its line and the reason."""
    for number, line in enumerate(text.splitlines(), 1):
        for reason, pattern in RETIRED.items():
            for found in re.finditer(pattern, line):
                yield f"{number}: {found[0]!r} is {reason}: {line.strip()}"


def mean_sentence(page: str) -> float:
    """Return the mean number of words in the sentences of a page; code and tables do not count."""
    prose = re.sub(r"^(```|:::).*?^\1|^\|.*?$|^#.*?$", "", page, flags=re.MULTILINE | re.DOTALL)
    prose = re.sub(r"`[^`]*`", "word", prose)
    prose = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", prose)
    prose = re.sub(r"^\s*(?:[-*]|\d+\.)\s", "\n\n", prose, flags=re.MULTILINE)
    sentences = re.split(r"(?<=[.!?])\s+|\n\s*\n", prose)
    lengths = [len(sentence.split()) for sentence in sentences if len(sentence.split()) > 3]
    return sum(lengths) / len(lengths) if lengths else 0


@pytest.mark.parametrize("path", READ_BY_USERS, ids=name_of)
def test_no_retired_word_is_used(path: Path) -> None:
    """The package, the examples and the docs use the terms of the glossary."""
    allowed = ALLOWED.get(name_of(path), {})
    found = [
        line
        for line in retired_words(path.read_text("utf-8"))
        if not any(part in line for part in allowed)
    ]
    assert not found, "\n".join(found)


def test_a_line_that_may_keep_a_retired_word_still_has_one() -> None:
    """The list of exceptions has no line that was reworded since."""
    unused = [
        f"{name}: {part}"
        for name, parts in ALLOWED.items()
        for part in parts
        if not any(part in line for line in retired_words((ROOT / name).read_text("utf-8")))
    ]
    assert not unused


@pytest.mark.parametrize(
    "line",
    [
        "the way back",
        "3 sets under way",
        "it is no dict",
        "whoever reads it",
        "Refused for the pace",
    ],
)
def test_a_retired_word_is_found(line: str) -> None:
    """The check finds what it is for, with the number of the line."""
    assert next(retired_words(f"fine\n{line}\n")).startswith("2: ")


def test_plain_words_are_not_retired_words() -> None:
    """The patterns do not match ordinary English."""
    text = "Roll back. It is no longer used. There is no limit. The floor of the number."
    assert not list(retired_words(text))


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_sentences_of_a_page_are_short(path: Path) -> None:
    """A page whose sentences are long on average gives a warning."""
    mean = mean_sentence(path.read_text("utf-8"))
    if mean > LONGEST_MEAN:
        warnings.warn(f"{name_of(path)}: mean sentence {mean:.0f} words", LongSentences, 1)


def test_the_mean_sentence_counts_prose_alone() -> None:
    """Headings, tables and code do not count."""
    prose = "One two three four. Five six seven eight nine ten."
    page = f"# A heading of many words\n\n{prose}\n\n```sh\na b c d e f\n```\n"
    assert mean_sentence(page) == 5


class LongSentences(UserWarning):
    """A page whose sentences are long on average."""
