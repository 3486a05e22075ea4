"""What each contestant runs in: calls as lines of JSON on standard input, what they took on standard output.

Nothing but the standard library, for every contestant has an environment of its own. With `jump` in
the arguments of the process a sleep takes no time but counts: every clock of the process goes on by
it, and so does that of the server, which is told of it.
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
_skipped = 0.0
_clocks = {name: getattr(time, name) for name in ("time", "monotonic", "perf_counter")}


def _sleep(seconds: float) -> None:
    """Goes on by some seconds, here and at the server."""
    global _skipped
    _skipped += seconds
    _say({"slept": seconds})
    sys.stdin.readline()


if "jump" in sys.argv:  # before anything that takes hold of them is imported
    time.sleep = _sleep
    time.time = lambda: _clocks["time"]() + _skipped
    time.monotonic = lambda: _clocks["monotonic"]() + _skipped
    time.perf_counter = lambda: _clocks["perf_counter"]() + _skipped


def answers() -> dict[str, Any]:
    """The `model` and the `views` that the stub serves."""
    told: dict[str, Any] = json.loads(Path(os.environ["BENCHMARK_ANSWERS"]).read_text("utf-8"))
    return told


def serve(calls: Calls) -> None:
    """Does what the lines say, until they end.

    Args:
        calls: What can be called, by name.
    """
    sys.stdout = sys.stderr  # what a library prints is not to be taken for an answer
    for line in sys.stdin:
        name, how, times, arguments = json.loads(line)
        call = calls.get(name)
        if call is None:
            _say({"missing": name})
            continue
        _say(_measured(call, how, times, arguments))


def _measured(
    call: Callable[..., Any], how: str, times: int, arguments: list[Any]
) -> dict[str, Any]:
    if how == "memory":
        tracemalloc.start()
        told = call(*arguments)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return {"peak": peak, "told": _size(told)}
    began = time.perf_counter()
    for _ in range(times):
        told = call(*arguments)
    return {"seconds": (time.perf_counter() - began) / times, "told": _size(told)}


def _size(told: Any) -> Any:
    """What a call gave, so that nobody is fast by giving too little."""
    return told if isinstance(told, int | float | str | None) else len(told)


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), file=_channel, flush=True)
