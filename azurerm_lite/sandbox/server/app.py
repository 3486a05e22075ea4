"""WSGI app of the sandbox: authentication, routing, faults, common headers, request journal."""

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
from .._answer import Answer
from ..entra import Entra
from ..errors import ApiError
from ..handlers._call import BATCHED_VMS, Call
from ..model.cloud import Cloud
from ..model.redaction import without_secrets
from ..model.resources import SUBSCRIPTION
from . import api_versions, control_api, metadata
from .control_api import ControlApi
from .faults import Fault
from .rate_limits import RateLimits
from .routes import URLS, Route

# The names in a path that identify a resource with a rate limit of its own.
_COUNTED_NAMES: dict[str, tuple[str, ...]] = {
    "": (),
    "set": ("rg", "vmss"),
    "vm": ("rg", "vmss", "vm"),
    "operation": ("operation",),
}


class JournalEntry(NamedTuple):
    """An answered request, without its secrets; status 0 means that the connection was broken."""

    method: str
    path: str
    body: Any
    status: int
    seconds: float
    query: dict[str, str]


class App:
    """Azure, as a WSGI application.

    Attributes:
        journal: The requests answered so far.
        faults: The faults of the next requests.
        hooks: Functions to call before a later request: how many requests from now, and the
            function.
        limits: The rate limits.
    """

    def __init__(self, cloud: Cloud, entra: Entra, page_size: int, control: ControlApi) -> None:
        self.journal: list[JournalEntry] = []
        self.faults: list[Fault] = []
        self.hooks: list[tuple[int, Callable[[], object]]] = []
        self.limits: RateLimits = RateLimits(cloud.clock)
        self._cloud = cloud
        self._entra = entra
        self._page_size = page_size
        self._control = control

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer a request."""
        request = Request(environ)
        # Read the whole body: the rest of it would be parsed as the next request.
        body = _read_json(request)
        if request.path.startswith(control_api.PREFIX):
            return _response(self._control.answer(request))(environ, start_response)
        with self._cloud.lock:
            fault = self._next_fault(request)
        if fault.delay:
            time.sleep(fault.delay)  # without the lock, so that other requests are answered
        with self._cloud.lock:
            answer = Answer(0) if fault.drop == "before" else self._answer(request, body, fault)
            self._record(request, body, 0 if fault.drop else answer.status)
        if fault.drop in ("before", "after"):
            _hang_up(environ)
        chunks = _response(answer, fault.text)(environ, start_response)
        return _truncate(chunks, environ) if fault.drop == "truncate" else chunks

    def _record(self, request: Request, body: Any, status: int) -> None:
        seconds = self._cloud.clock()
        query = request.args.to_dict()
        body = without_secrets(body)
        entry = JournalEntry(request.method, request.path, body, status, seconds, query)
        self.journal.append(entry)

    def _next_fault(self, request: Request) -> Fault:
        """Run the hooks that are due, and return the fault of a request.

        Requests to the sign-in do not count for hooks. Only a fault that names their path affects
        them.

        Returns:
            A fault; one without any effect if the request has none.
        """
        is_sign_in = self._entra.has_path(request.path)
        if not is_sign_in:
            self._run_hooks()
        for fault in self.faults:
            if is_sign_in and not fault.path:
                continue
            if fault.matches(request.method, request.path):
                fault.times -= 1
                return fault
        return Fault()

    def _run_hooks(self) -> None:
        due = [action for number, action in self.hooks if number <= 1]
        self.hooks = [(number - 1, action) for number, action in self.hooks if number > 1]
        for action in due:
            action()

    def _answer(self, request: Request, body: Any, fault: Fault) -> Answer:
        if self._entra.has_path(request.path):
            return self._entra.answer(request, fault.error)
        self._cloud.apply_due_changes()
        headers: dict[str, str] = {}
        try:
            if request.path == metadata.PATH:
                if fault.error:
                    raise fault.error
                return metadata.answer(request)
            self._entra.tokens.check(request.headers.get("Authorization"))
            route, names = _find_route(request)
            if fault.error:
                raise fault.error
            region = self._region(names)
            resource = self._counted_resource(request, route, names)
            headers = self.limits.spend(
                request.method,
                route.policy,
                region,
                resource,
                is_instant=self._cloud.upgrade_seconds < 1,
            )
            answer = route.handler(self._call(request, names, body))
            if answer.vm_policy:
                self._count_vms(answer, headers, region)
            self._cloud.apply_due_changes()
        except ApiError as error:
            answer = Answer(error.status, {"error": error.error}, error.headers)
        answer.headers |= headers | _request_ids(request)
        return answer

    def _count_vms(self, answer: Answer, headers: dict[str, str], region: str) -> None:
        """Count the VMs of an answer against their rate limit, and add the headers for them."""
        left = self.limits.spend_vms(answer.vm_policy, answer.vm_count, region)
        name = "x-ms-ratelimit-remaining-resource"
        headers[name] = f"{headers[name]},{left}"
        if answer.vm_policy == BATCHED_VMS:
            # Always 0 since 2022; it does not mean that the limit is used up.
            headers[name] += ",Microsoft.Compute/VmssQueuedVMOperations;0"
        if answer.vm_count or answer.vm_policy == BATCHED_VMS:
            headers["x-ms-request-charge"] = str(answer.vm_count)

    def _counted_resource(self, request: Request, route: Route, names: dict[str, str]) -> str:
        """Return the resource whose own rate limit counts a request; empty if there is none."""
        is_later_page = "$skiptoken" in request.args
        if is_later_page and not self._cloud.assumptions.later_pages_count:
            return ""
        return "/".join(names.get(key, "").lower() for key in _COUNTED_NAMES[route.counts_per])

    def _region(self, names: dict[str, str]) -> str:
        """Return the region of a request: its scale set's, or the one in its path."""
        key = (names.get("rg", "").lower(), names.get("vmss", "").lower())
        vmss = self._cloud.sets.get(key)
        return vmss.location if vmss else names.get("location", "").lower()

    def _call(self, request: Request, names: dict[str, str], body: Any) -> Call:
        api_versions.check(request.path, request.args.get("api-version"))
        if names.get("sub", SUBSCRIPTION).lower() != SUBSCRIPTION:
            raise errors.subscription_not_found(names["sub"])
        if body is not None and not isinstance(body, dict):
            raise errors.invalid_request_content("it must be a JSON object.")
        return Call(
            cloud=self._cloud,
            method=request.method,
            base_url=request.host_url.rstrip("/"),
            names={**names, "path": request.path},
            query=request.args.to_dict(),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=body or {},
            page_size=self._page_size,
        )


def _response(answer: Answer, text: str | None = None) -> Response:
    """Return an answer as an HTTP response; `text` replaces its JSON."""
    text = text or answer.page
    if text is not None:
        return Response(text, answer.status, answer.headers, content_type="text/html")
    body = "" if answer.body is None else json.dumps(answer.body)
    content_type = "application/json; charset=utf-8"
    response = Response(body, answer.status, answer.headers, content_type=content_type)
    if not body:
        del response.headers["Content-Type"]
    return response


def _hang_up(environ: dict[str, Any]) -> None:
    """Close the connection without an answer."""
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionResetError


def _truncate(chunks: Iterable[bytes], environ: dict[str, Any]) -> Iterator[bytes]:
    """Yield the first half of a body, then close the connection.

    The header has the length of the whole body.
    """
    whole = b"".join(chunks)
    yield whole[: len(whole) // 2]
    _hang_up(environ)


def _read_json(request: Request) -> Any:
    """Return the body parsed as JSON; other text as a string, which no handler accepts."""
    text = request.get_data(as_text=True, parse_form_data=True)
    if not text:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # the latter: thousands of brackets in each other
        return text


def _find_route(request: Request) -> tuple[Route, dict[str, str]]:
    """Return the route of a request and the names in its path, spelled as in the request."""
    try:
        route, found = URLS.bind("sandbox").match(request.path.lower(), request.method)
    except HTTPException:
        raise errors.path_not_implemented(request.path) from None
    segments = {segment.lower(): segment for segment in request.path.split("/")}
    names = {key: segments[value] for key, value in found.items()}
    if "action" in found:  # not a name: stays in lower case, as in the routes
        names["action"] = found["action"]
    return route, names


def _request_ids(request: Request) -> dict[str, str]:
    """Return the headers that every answer has."""
    request_id = str(uuid.uuid4())
    headers = {
        "x-ms-request-id": request_id,
        "x-ms-correlation-request-id": request_id,
        "x-ms-routing-request-id": f"SANDBOX:{request_id}",
        "Cache-Control": "no-cache",
    }
    if request.headers.get("x-ms-return-client-request-id", "").lower() == "true":
        headers["x-ms-client-request-id"] = request.headers.get("x-ms-client-request-id", "")
    return headers
