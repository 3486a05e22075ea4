"""The control API: methods of `Sandbox` as JSON under `/sandbox/`, for other languages.

`POST /sandbox/fail_next {"status": 503, "times": 2}` calls `sandbox.fail_next(status=503,
times=2)`. `GET /sandbox/journal` returns the requests, and what happened to which instance. It
needs no token, because it is on loopback.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from werkzeug.wrappers import Request

from .._answer import Answer

# The methods of `Sandbox` that a request may call.
CALLS = (
    "add_autoscale",
    "add_vmss",
    "break_scale_out",
    "break_upgrade",
    "end_next",
    "fail_next",
    "publish",
    "scale",
    "set_command_output",
    "set_image",
    "set_token_seconds",
    "throttle",
)
PREFIX = "/sandbox/"


class ControlApi:
    """Handler of requests to the control API.

    Args:
        calls: The functions that a request may call, by name.
        at_request: Registers a function to call just before a later request.
        journal: Returns the requests and changes so far.
    """

    def __init__(
        self,
        calls: Mapping[str, Callable[..., object]],
        at_request: Callable[[int, Callable[[], object]], object],
        journal: Callable[[], dict[str, Any]],
    ) -> None:
        self._calls = calls
        self._at_request = at_request
        self._journal = journal

    def answer(self, request: Request) -> Answer:
        """Return the answer: 400 with the error if the call fails."""
        name = request.path.removeprefix(PREFIX)
        try:
            if request.method == "GET" and name == "journal":
                return Answer(200, self._journal())
            arguments = request.get_json(force=True) if request.get_data() else {}
            self._run(name, arguments)
        except Exception as error:  # every error is returned to the client
            return Answer(400, {"error": {"code": type(error).__name__, "message": str(error)}})
        return Answer(200, {"done": name})

    def _run(self, name: str, arguments: dict[str, Any]) -> None:
        """Run a call now or, if the arguments have `at_request`, just before that request."""
        if name not in self._calls:
            known = ", ".join(self._calls)
            raise ValueError(f"call must be one of {known} or journal, got {name!r}")
        number = arguments.pop("at_request", None)
        call = self._calls[name]
        if number is None:
            call(**arguments)
        else:
            self._at_request(number, lambda: call(**arguments))
