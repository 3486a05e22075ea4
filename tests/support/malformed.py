"""Record the sandbox's responses, and replay them with one of them malformed."""

from __future__ import annotations

import copy
import json
import linecache
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch
from urllib.parse import urlsplit

import requests
from hypothesis import strategies as st

from azurerm_lite import _clock, rest
from support.clock import Clock

_VALUES = (None, 7, -1.5, float("nan"), 10**400, True, "text", "", "/a/b")
_LISTS = ([], [None], [7], [[]], ["a"], [{}])
_OBJECTS = ({}, {"code": None}, {"code": 7}, {"properties": None}, {"id": 7})
JUNK = st.sampled_from([*_VALUES, *_LISTS, *_OBJECTS])


class Answer(NamedTuple):
    """A response of Azure."""

    status: int
    headers: dict[str, str]
    content: bytes


Recording = dict[str, list[Answer]]
"""The answers to each request, in order, by its method, path and query."""


def key_of(method: str, url: str) -> str:
    """Return a key of the request, without its host."""
    parts = urlsplit(url)
    return f"{method} {parts.path}?{parts.query}"


def record(use: Callable[[], object]) -> Recording:
    """Record the sandbox's responses to a use of the library."""
    recording: Recording = {}
    send_once = rest._send_once

    def send(auth: Any, method: str, url: str, body: Any, headers: Any) -> requests.Response:
        response = send_once(auth, method, url, body, headers)
        answer = Answer(response.status_code, dict(response.headers), response.content)
        recording.setdefault(key_of(method, url), []).append(answer)
        return response

    with patch.object(rest, "_send_once", send), _on_a_test_clock():
        use()
    return recording


@contextmanager
def replay(recording: Recording) -> Iterator[None]:
    """Replay the recorded responses; the last response to a request repeats."""
    left = {key: list(answers) for key, answers in recording.items()}

    def send(auth: Any, method: str, url: str, body: Any, headers: Any) -> requests.Response:
        answers = left.get(key_of(method, url), [Answer(404, {}, b"")])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        response = requests.Response()
        response.status_code = answer.status
        response.headers.update(answer.headers)
        response._content = answer.content
        response.url = url
        response.request = requests.PreparedRequest()
        response.request.prepare(method, url)
        return response

    with patch.object(rest, "_send_once", send), _on_a_test_clock():
        yield


@contextmanager
def _on_a_test_clock() -> Iterator[None]:
    clock = Clock()
    with patch.object(_clock, "monotonic", clock), patch.object(_clock, "sleep", clock.sleep):
        yield


def mutate_recording(recording: Recording, data: st.DataObject) -> Recording:
    """Return the recording with one to three parts of one response replaced by junk or removed."""
    changed = dict(recording)
    full = [key for key, answers in recording.items() if any(each.content for each in answers)]
    key = data.draw(st.sampled_from(full))
    answers = list(recording[key])
    number = data.draw(st.integers(0, len(answers) - 1))
    answer = answers[number]
    body = mutate(json.loads(answer.content or b"null"), data)
    answers[number] = answer._replace(content=json.dumps(body).encode())
    changed[key] = answers
    return changed


def mutate(body: Any, data: st.DataObject) -> Any:
    """Return JSON with one to three parts replaced by junk or removed, sometimes all of it."""
    body = copy.deepcopy(body)
    for _ in range(data.draw(st.integers(1, 3))):
        paths = list(paths_in(body))
        if not paths or data.draw(st.integers(0, 30)) == 0:
            return data.draw(JUNK)
        *parents, last = data.draw(st.sampled_from(paths))
        parent = body
        for key in parents:
            parent = parent[key]
        if isinstance(parent, dict) and data.draw(st.booleans()):
            del parent[last]
        else:
            parent[last] = copy.deepcopy(data.draw(JUNK))
    return body


def paths_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every member and entry of JSON."""
    if isinstance(value, dict):
        members: Any = value.items()
    elif isinstance(value, list):
        members = enumerate(value)
    else:
        return
    for key, member in members:
        yield (*path, key)
        yield from paths_in(member, (*path, key))


def is_deliberate(error: BaseException) -> bool:
    """Return whether the library raised an exception with a `raise` statement of its own."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return False
    code = trace.tb_frame.f_code
    line = linecache.getline(code.co_filename, trace.tb_lineno).strip()
    return "azurerm_lite" in code.co_filename and line.startswith("raise")
