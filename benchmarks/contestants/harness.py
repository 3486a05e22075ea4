"""The process of a contestant: reads calls as JSON lines, and prints their cost.

It uses only the standard library, because every contestant has its own environment. With the
argument `jump`, sleeps are skipped: they advance all clocks of the process instead, and a message
advances those of the server.
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
    """Advance the clocks, here and at the server."""
    _skipped[0] += seconds
    _send({"slept": seconds})
    sys.stdin.readline()


if "jump" in sys.argv:  # before any import that uses the clocks
    time.sleep = _sleep
    time.time = lambda: _clocks["time"]() + _skipped[0]
    time.monotonic = lambda: _clocks["monotonic"]() + _skipped[0]
    time.perf_counter = lambda: _clocks["perf_counter"]() + _skipped[0]


def answers() -> dict[str, Any]:
    """Return the dict of `model` and `views` that the stub serves."""
    file = Path(os.environ["BENCHMARK_ANSWERS"])
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return found


def serve(calls: Calls) -> None:
    """Make the calls that arrive on standard input, until it ends.

    Args:
        calls: The functions that can be called, by name.
    """
    sys.stdout = sys.stderr  # output of a library must not be read as an answer
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
    """Return a result or its size, which shows whether a call was complete."""
    return result if isinstance(result, int | float | str | None) else len(result)


def _send(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), file=_channel, flush=True)
