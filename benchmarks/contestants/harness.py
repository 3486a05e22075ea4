"""The process of a contestant: it reads calls as lines of JSON, and prints what they took.

It needs the standard library alone, since every contestant has an environment of its own. With
`jump` in its arguments a sleep takes no time but counts: all clocks of the process are moved by it,
and those of the server, which reads of it.
"""

from __future__ import annotations

import json
import os
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

Calls = dict[str, Callable[..., Any]]
_channel = sys.stdout
_skipped = [0.0]
_clocks = {name: getattr(time, name) for name in ("time", "monotonic", "perf_counter")}


def _sleep(seconds: float) -> None:
    """Move the clocks, here and at the server."""
    _skipped[0] += seconds
    _send({"slept": seconds})
    sys.stdin.readline()


if "jump" in sys.argv:  # before anything that uses them is imported
    time.sleep = _sleep
    time.time = lambda: _clocks["time"]() + _skipped[0]
    time.monotonic = lambda: _clocks["monotonic"]() + _skipped[0]
    time.perf_counter = lambda: _clocks["perf_counter"]() + _skipped[0]


def answers() -> dict[str, Any]:
    """Return the `model` and the `views` that the stub serves."""
    file = Path(os.environ["BENCHMARK_ANSWERS"])
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return found


def serve(calls: Calls) -> None:
    """Make the calls of standard input, until it ends.

    Args:
        calls: What can be called, by name.
    """
    sys.stdout = sys.stderr  # what a library prints must not be read as an answer
    for line in sys.stdin:
        name, how, times, arguments = json.loads(line)
        call = calls.get(name)
        if call is None:
            _send({"missing": name})
            continue
        _send(_measure(call, how, times, arguments))


def _measure(
    call: Callable[..., Any], how: str, times: int, arguments: list[Any]
) -> dict[str, Any]:
    if how == "memory":
        tracemalloc.start()
        result = call(*arguments)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return {"peak": peak, "result": _size(result)}
    started = time.perf_counter()
    for _ in range(times):
        result = call(*arguments)
    return {"seconds": (time.perf_counter() - started) / times, "result": _size(result)}


def _size(result: Any) -> Any:
    """Return a result or its size: a call that returns too little is not fast."""
    return result if isinstance(result, int | float | str | None) else len(result)


def _send(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), file=_channel, flush=True)
