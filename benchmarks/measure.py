"""Measurement: contestants in child processes, interleave calls, medians, table rows."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

CONTESTANTS = Path(__file__).parent / "contestants"


class Row(NamedTuple):
    """A row of the table, as text."""

    what: str
    ours: str
    floor: str
    ratio: str
    target: str
    azurerm: str = ""
    sdk: str = ""

    def __str__(self) -> str:
        return f"| {' | '.join(self)} |"


HEAD = (  # the fields of Row
    "| what | ours | floor | ratio | to reach | azurerm 0.10.0 | Azure's SDK |\n"
    "|---|---|---|---|---|---|---|"
)


class Clock:
    """A clock that adds the seconds of skipped sleeps."""

    def __init__(self) -> None:
        self.slept = 0.0

    def __call__(self) -> float:
        """Return the current time in seconds."""
        return time.monotonic() + self.slept


class Contestant:
    """A child process that makes calls and reports their cost."""

    def __init__(
        self, script: str, python: str, environment: Mapping[str, str], clock: Clock | None = None
    ) -> None:
        self.clock = clock
        command = [python, str(CONTESTANTS / f"{script}.py"), *(["jump"] if clock else [])]
        around = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AZURE_", "PYTHON"))
        }
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**around, **environment},
        )
        # All contestants use the same core, because cores and their load differ.
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(self._process.pid, {max(os.sched_getaffinity(0))})

    def __call__(
        self, name: str, *arguments: Any, how: str = "time", times: int = 1
    ) -> dict[str, Any]:
        """Make a call; return its cost, or `missing` if the contestant does not support it."""
        self._write([name, how, times, arguments])
        while "slept" in (answer := self._read()):
            assert self.clock
            self.clock.slept += answer["slept"]
            self._write("go on")
        return answer

    def end(self) -> None:
        """End the process."""
        self._process.communicate()

    def _write(self, line: Any) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._process.args} has ended; see its output above")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def contestants(
    pythons: Mapping[str, str],
    scripts: Mapping[str, str],
    environment: Mapping[str, str],
    clock: Clock | None = None,
) -> Iterator[dict[str, Contestant]]:
    """Run the contestants that have an environment, each in its own process.

    Args:
        pythons: The interpreter of each environment.
        scripts: The environment of each contestant.
        environment: Environment variables for the contestants.
        clock: The server's clock to skip sleeps; `None` to sleep.

    Yields:
        A dict of the contestants by name.
    """
    with ExitStack() as ends:
        made = {}
        for name, home in scripts.items():
            if home in pythons:
                made[name] = Contestant(name, pythons[home], environment, clock)
                ends.callback(made[name].end)
        yield made


def interleave(
    rounds: int,
    who: Mapping[str, Contestant],
    arguments: Callable[[str], list[Any]] | None,
    call: str,
    **how: Any,
) -> dict[str, list[dict[str, Any]]]:
    """Make the same call with each contestant in turn, after one warm-up round.

    Args:
        rounds: Number of rounds.
        who: The contestants.
        arguments: Function from a contestant's name to the arguments; `None` for none.
        call: Name of the call.
        **how: What to measure, and the number of calls per round.

    Returns:
        Dict of answers by contestant, without those that do not support the call.
    """
    taken: dict[str, list[dict[str, Any]]] = {contestant: [] for contestant in who}
    for number in range(rounds + 1):
        for contestant, process in who.items():
            answer = process(call, *(arguments(contestant) if arguments else []), **how)
            if number and "missing" not in answer:
                taken[contestant].append(answer)
    return {contestant: answers for contestant, answers in taken.items() if answers}


def median(answers: list[dict[str, Any]], of: str = "seconds") -> float:
    """Return the median of one measured value."""
    return statistics.median(answer[of] for answer in answers)


def medians(taken: Mapping[str, list[dict[str, Any]]], of: str = "seconds") -> dict[str, float]:
    """Return the medians of one measured value, by contestant."""
    return {name: median(answers, of) for name, answers in taken.items()}


def compare(
    what: str,
    values: Mapping[str, float],
    unit: Callable[[float], str],
    target: str,
    floor_is: str,
) -> Row:
    """Return a table row: ours, the floor, their ratio, and the peers.

    Args:
        what: Name of the measurement.
        values: Values by contestant; `bare` is the floor.
        unit: Function from a value to text.
        target: Ratio or value to reach.
        floor_is: Description of the floor.

    Returns:
        The row.
    """
    texts = {name: unit(value) for name, value in values.items()}
    ratio = values["ours"] / values["bare"]
    floor = f"{texts['bare']}: {floor_is}"
    return Row(
        what,
        texts["ours"],
        floor,
        f"{ratio:.2f}",
        target,
        texts.get("original", ""),
        texts.get("sdk", ""),
    )


def milliseconds(seconds: float) -> str:
    """Return seconds as text in milliseconds."""
    return f"{seconds * 1e3:.2f} ms" if seconds < 0.1 else f"{seconds * 1e3:.0f} ms"


def microseconds(seconds: float) -> str:
    """Return seconds as text in microseconds."""
    return f"{seconds * 1e6:.2f} µs"


def megabytes(size: float) -> str:
    """Return bytes as text in megabytes."""
    return f"{size / 1e6:.1f} MB"


def progress(text: str) -> None:
    """Print a progress message to standard error."""
    print(text, file=sys.stderr, flush=True)
