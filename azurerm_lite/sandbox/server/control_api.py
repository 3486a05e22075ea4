"""The control endpoint: what `Sandbox` can do, for clients that are no Python, as JSON under `/sandbox/`.

`POST /sandbox/fail_next {"status": 503, "times": 2}` calls `sandbox.fail_next(status=503,
times=2)`; `GET /sandbox/journal` tells what was asked and what happened to which instance. It needs
no token: it is on loopback.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Request

from ..handlers.scale_sets import Answer

if TYPE_CHECKING:
    from ..sandbox import Sandbox

CALLS = (
    "add_vmss",
    "break_upgrade",
    "end_next",
    "fail_next",
    "scale",
    "set_image",
    "set_token_seconds",
    "throttle",
)


class Control:
    """Answers requests to the control endpoint of a sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def __call__(self, request: Request) -> Answer:
        """The answer; a call that does not fit is a 400 with what is wrong."""
        call = request.path.removeprefix("/sandbox/")
        try:
            if request.method == "GET" and call == "journal":
                return Answer(200, self._journal())
            self.run(call, request.get_json(force=True) if request.get_data() else {})
        except Exception as error:  # whatever is wrong with it, the client is to know
            return Answer(400, {"error": {"code": type(error).__name__, "message": str(error)}})
        return Answer(200, {"done": call})

    def run(self, call: str, arguments: dict[str, Any]) -> None:
        """One call: now, or with `at_request` just before that request from now on."""
        if call not in CALLS:
            raise ValueError(f"there is no {call!r}; there are {', '.join(CALLS)} and journal")
        at_request = arguments.pop("at_request", None)
        act = getattr(self._sandbox, call)
        if at_request is None:
            act(**arguments)
        else:
            self._sandbox.at_request(at_request, lambda: act(**arguments))

    def _journal(self) -> dict[str, Any]:
        requests = [each._asdict() for each in self._sandbox.journal]
        return {"requests": requests, "changes": [each._asdict() for each in self._sandbox.changes]}
