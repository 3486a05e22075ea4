"""The sandbox as a WSGI application: who may ask, where it goes, what every answer carries, and what was asked."""

from __future__ import annotations

import json
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request, Response

from .. import errors
from ..entra.sign_in import SignInPages
from ..errors import Refusal
from ..handlers.scale_sets import Answer, Call
from ..model.cloud import Cloud
from ..model.redaction import without_secrets
from ..model.resources import SUBSCRIPTION
from . import api_versions
from .faults import Fault
from .rate_limits import Limits
from .routes import URLS, Route


class Entry(NamedTuple):
    """A request that was answered, less the secrets in it; the status is 0 where the connection was broken instead."""

    method: str
    path: str
    body: Any
    status: int
    seconds: float
    query: dict[str, str]


class App:
    """Azure, in one callable."""

    def __init__(self, cloud: Cloud, sign_in: SignInPages, page_size: int) -> None:
        self.cloud, self.sign_in, self.page_size = cloud, sign_in, page_size
        self.limits = Limits(cloud.clock)
        self.journal: list[Entry] = []
        self.faults: list[Fault] = []
        self.hooks: list[tuple[int, Callable[[], object]]] = []
        self.control: Callable[[Request], Answer] | None = None

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """WSGI."""
        request = Request(environ)
        body = _json(
            request
        )  # of every request, or what is left of it would be taken for the next one
        if request.path.startswith("/sandbox/") and self.control:
            return _response(self.control(request))(environ, start_response)
        with self.cloud.lock:
            fault = self._fault(request)
        if fault.delay:
            time.sleep(fault.delay)  # while others are answered
        with self.cloud.lock:
            answer = Answer(0) if fault.drop == "before" else self._answer(request, body, fault)
            status = 0 if fault.drop else answer.status
            self.journal.append(self._entry(request, body, status))
        if fault.drop in ("before", "after"):
            _hang_up(environ)
        response = _response(answer, fault.text or getattr(answer, "page", None))
        chunks = response(environ, start_response)
        return _cut(chunks, environ) if fault.drop == "truncate" else chunks

    def _entry(self, request: Request, body: Any, status: int) -> Entry:
        """What the journal keeps of a request."""
        seconds, query = self.cloud.clock(), request.args.to_dict()
        return Entry(request.method, request.path, without_secrets(body), status, seconds, query)

    def _fault(self, request: Request) -> Fault:
        """What is to go wrong with this request, and what somebody else does just before it."""
        if self.sign_in.serves(request.path):
            return self._due(request, [each for each in self.faults if each.path])
        due = [act for left, act in self.hooks if left <= 1]
        self.hooks = [(left - 1, act) for left, act in self.hooks if left > 1]
        for act in due:
            act()
        return self._due(request, self.faults)

    def _due(self, request: Request, faults: list[Fault]) -> Fault:
        """The first of these faults whose turn it is; none for a sign-in but those that name its path."""
        fault = next((each for each in faults if each.fits(request.method, request.path)), None)
        if fault is None:
            return Fault()
        fault.times -= 1
        return fault

    def _answer(self, request: Request, body: Any, fault: Fault) -> Answer:
        if self.sign_in.serves(request.path):
            return self.sign_in.answer(request, fault.refusal)
        return self._answered(request, body, fault.refusal)

    def _answered(self, request: Request, body: Any, refusal: Refusal | None) -> Answer:
        self.cloud.settle()
        headers: dict[str, str] = {}
        try:
            self.sign_in.tokens.check(request.headers.get("Authorization"))
            route, names = _routed(request)
            if refusal:
                raise refusal
            headers = self.limits.spend(request.method, route.policy, self._region(names))
            answer = route.handler(self._call(request, names, body))
            self.cloud.settle()
        except Refusal as refused:
            answer = Answer(refused.status, {"error": refused.error}, refused.headers)
        answer.headers |= headers | _ids(request)
        return answer

    def _region(self, names: dict[str, str]) -> str:
        """The region that a request goes to: that in its path, or that of its scale set; empty where there is none."""
        vmss = self.cloud.sets.get((names.get("rg", "").lower(), names.get("vmss", "").lower()))
        return vmss.location if vmss else names.get("location", "").lower()

    def _call(self, request: Request, names: dict[str, str], body: Any) -> Call:
        api_versions.check(request.path, request.args.get("api-version"))
        if names.get("sub", SUBSCRIPTION).lower() != SUBSCRIPTION:
            raise errors.no_subscription(names["sub"])
        if body is not None and not isinstance(body, dict):
            raise errors.bad_body("it must be a JSON object.")
        headers = {name.lower(): value for name, value in request.headers.items()}
        base_url = request.host_url.rstrip("/")
        query = request.args.to_dict()
        return Call(
            self.cloud,
            request.method,
            base_url,
            {**names, "path": request.path},
            query,
            headers,
            body or {},
            self.page_size,
        )


def _response(answer: Answer, text: str | None = None) -> Response:
    """An answer as HTTP; a text takes the place of its JSON."""
    if text is not None:
        return Response(text, answer.status, answer.headers, content_type="text/html")
    body = "" if answer.body is None else json.dumps(answer.body)
    response = Response(
        body, answer.status, answer.headers, content_type="application/json; charset=utf-8"
    )
    if not body:
        del response.headers["Content-Type"]
    return response


def _hang_up(environ: dict[str, Any]) -> None:
    """Breaks the connection, without a word to the client."""
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionResetError


def _cut(chunks: Iterable[bytes], environ: dict[str, Any]) -> Iterator[bytes]:
    """The first half of a body, of which the header has promised all."""
    whole = b"".join(chunks)
    yield whole[: len(whole) // 2]
    _hang_up(environ)


def _json(request: Request) -> Any:
    """The body as JSON; a text where it is none, which no handler takes."""
    text = request.get_data(as_text=True, parse_form_data=True)
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def _routed(request: Request) -> tuple[Route, dict[str, str]]:
    """The route of a request, and the names in its path as they were written."""
    try:
        route, found = URLS.bind("sandbox").match(request.path.lower(), request.method)
    except HTTPException:
        raise errors.no_path(request.path) from None
    written = {segment.lower(): segment for segment in request.path.split("/")}
    # Actions are words of Azure's, not names: in lower case, as the routes have them.
    return route, {
        key: value if key == "action" else written[value] for key, value in found.items()
    }


def _ids(request: Request) -> dict[str, str]:
    """The ids that every answer carries."""
    request_id = str(uuid.uuid4())
    ids = {
        "x-ms-request-id": request_id,
        "x-ms-correlation-request-id": request_id,
        "x-ms-routing-request-id": f"SANDBOX:{request_id}",
        "Cache-Control": "no-cache",
    }
    if request.headers.get("x-ms-return-client-request-id", "").lower() == "true":
        ids["x-ms-client-request-id"] = request.headers.get("x-ms-client-request-id", "")
    return ids
