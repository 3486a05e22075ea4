"""Output of a command: text for people, JSON lines for programs."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TextIO


@dataclass(frozen=True)
class Output:
    """Output of a command.

    Attributes:
        is_json: Whether to print JSON lines to standard output and text to standard error.
    """

    is_json: bool = False

    @property
    def stream(self) -> TextIO:
        """The stream for text."""
        return sys.stderr if self.is_json else sys.stdout

    def text(self, text: str) -> None:
        """Print text for people."""
        print(text, file=self.stream, flush=True)

    def record(self, record: Mapping[str, Any]) -> None:
        """Print a JSON line if --json was passed."""
        if self.is_json:
            print(json.dumps(record), flush=True)

    def warn(self, text: str) -> None:
        """Print a warning to standard error."""
        print(f"warning: {text}", file=sys.stderr, flush=True)

    def error(self, text: str) -> None:
        """Print an error to standard error."""
        print(f"error: {text}", file=sys.stderr, flush=True)


def escape_unknown_characters() -> None:
    """Let standard output and error escape the characters that their encoding lacks.

    On Windows, a file or a pipe has the code page of the system. A text from Azure or from a script
    may have any character, and must not end a rollout.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
