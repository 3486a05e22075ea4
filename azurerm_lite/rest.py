"""Send requests to Azure: the session, tokens, retries and pages. No other module sends."""

from __future__ import annotations

import contextlib
import contextvars
import copy
import http.cookiejar
import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
import requests.adapters

from . import _clock, _retry, settings
from ._text import one_line
from ._urls import build_url as url
from ._urls import check_origin
from .errors import AuthenticationFailed, AzureError, PreconditionFailed, error_from
from .types import Token

__all__ = ["TIMEOUT", "get", "get_list", "send", "session", "url"]

TIMEOUT = (5.0, 60.0)
"""Seconds to connect, and seconds that the line may be silent."""

log = logging.getLogger("azurerm_lite")


class RequestHooks:
    """Hooks around the requests of one caller: they count them and limit the attempts.

    Attributes:
        tries: How often a request is tried at the most.
        requests: How many were sent so far.
        throttled: How many of them were refused for the pace.
    """

    def __init__(self, max_attempts: int = _retry.MAX_ATTEMPTS) -> None:
        self.max_attempts = max_attempts
        self.requests = self.throttled = 0

    def before_send(self, _method: str, _url: str) -> None:
        """Count a request that is about to be sent.

        Subclasses may delay it or raise `Throttled`.
        """
        self.requests += 1

    def after_response(self, _method: str, _url: str, response: requests.Response) -> None:
        """Count a response."""
        self.throttled += response.status_code == 429


_hooks: contextvars.ContextVar[RequestHooks | None] = contextvars.ContextVar("watch", default=None)


@contextlib.contextmanager
def request_hooks(hooks: RequestHooks) -> Iterator[None]:
    """Apply hooks to the requests that are made in this block."""
    before = _hooks.set(hooks)
    try:
        yield
    finally:
        _hooks.reset(before)


class _Session(requests.Session):
    """A session with a timeout on every request and no implicit authentication."""

    def __init__(self) -> None:
        super().__init__()
        self.headers["User-Agent"] = (
            f"azurerm-lite/{settings.VERSION} {requests.utils.default_user_agent()}"
        )
        self.headers["Accept"] = "application/json"
        self.auth = lambda request: (
            request
        )  # without any, requests would look for one in a netrc file
        self.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        # Room for a thread per connection; what is retried is decided below, where it can be seen.
        self.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=32, max_retries=0))

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return nothing: Azure never redirects, and a token must not follow a redirect."""

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        kwargs["timeout"] = kwargs.get("timeout") or TIMEOUT
        return super().send(request, **kwargs)


session = _Session()


class _SignInSession(_Session):
    """The session of MSAL; it raises on responses that MSAL could not read and would log."""

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        response = super().send(request, **kwargs)
        asks_for_more = response.status_code == 401 and "WWW-Authenticate" in response.headers
        if (
            response.status_code == 429
            or response.status_code >= 500
            or not (asks_for_more or _is_object(response))
        ):
            raise _unfit(request, response)
        return response


def _is_object(response: requests.Response) -> bool:
    try:
        return isinstance(json.loads(response.content), dict)
    except ValueError:
        return False


def _unfit(request: requests.PreparedRequest, response: requests.Response) -> AuthenticationFailed:
    """Return the error for a sign-in response that is unavailable or unexpected."""
    parts = urlsplit(request.url or "")
    unwell = response.status_code == 429 or response.status_code >= 500
    what = "is too busy or not well" if unwell else "does not answer as Microsoft's sign-in does"
    return AuthenticationFailed(
        f"Sign-in failed: {parts.netloc} {what}.",
        code="SignInFailed",
        status_code=response.status_code,
        request_id=response.headers.get("x-ms-request-id"),
        method=request.method,
        url=f"{parts.scheme}://{parts.netloc}{parts.path}",
        retry_after=_retry.retry_after(response),
    )


def sign_in_session() -> requests.Session:
    """Return a session for one sign-in by MSAL.

    Returns:
        The session: as `session` is, and an answer that is no JSON object, or says that the sign-in
            is not well, is
        raised as `AuthenticationFailed`.
    """
    return _SignInSession()


class _Bearer(requests.auth.AuthBase):
    """Puts the token into the request. `auth=` is what keeps a netrc file from replacing it."""

    def __init__(self, access_token: Token) -> None:
        self.token = bearer(access_token)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = "Bearer " + self.token
        return request


def bearer(access_token: Token) -> str:
    """Return the token itself, checked: http.client would quote a malformed one.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one; or a credential of
            azure-identity, which is asked for a token of the configured cloud's resource manager.

    Returns:
        The token.

    Raises:
        ValueError: It is no token. The message does not show it.
        AuthenticationFailed: The credential gives none.
    """
    if callable(getattr(access_token, "get_token", None)):
        token = _of_credential(access_token)
    else:
        token = access_token() if callable(access_token) else access_token
    if not isinstance(token, str):
        raise ValueError(
            "access_token must be a string or a callable that returns one, not"
            f" {type(token).__name__}"
        )
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError(
            "access_token is empty or holds blanks, line ends or other characters that no token has"
        )
    return token


def _of_credential(credential: Any) -> Any:
    """Return the token of a credential; errors of Azure's SDK become `AuthenticationFailed`."""
    try:
        return getattr(credential.get_token(settings.cloud().resource + "/.default"), "token", None)
    except Exception as error:
        if not type(error).__module__.startswith("azure."):
            raise
        message = f"{type(credential).__name__} gives no token: {one_line(error)}"
    raise AuthenticationFailed(message, code="SignInFailed")


def get(access_token: Token, url: str) -> Any:
    """Return the JSON at a URL.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        url: From `url`, or a link that Azure gave.

    Returns:
        The JSON; `None` for an empty body.

    Raises:
        AzureError: Azure refused, or answered with something that is no JSON.
    """
    return json_of(send(access_token, "GET", url))


def get_list(access_token: Token, url: str) -> list[Any]:
    """Return the list at a URL, all its pages.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        url: From `url`.

    Returns:
        The entries of all pages, in order.

    Raises:
        AzureError: Azure refused, or the pages lead in a circle or away from Azure.
    """
    return [entry for page in pages(access_token, url) for entry in page]


def pages(access_token: Token, url: str) -> Iterator[list[Any]]:
    """Yield the pages of a list; an empty page need not be the last."""
    seen = set()
    link: str | None = url
    while link:
        if link in seen:
            raise AzureError(
                "The pages of the list lead in a circle",
                code="NextLinkRepeats",
                method="GET",
                url=link,
            )
        seen.add(link)
        body = get(access_token, link)
        if isinstance(body, list):  # the lists of platform images come bare, in one piece
            yield body
            return
        if not isinstance(body, dict) or not isinstance(body.get("value"), list):
            raise AzureError(
                "The answer holds no list", code="InvalidResponse", method="GET", url=link
            )
        yield body["value"]
        link = body.get("nextLink")
        if not isinstance(link, str | None):
            raise AzureError(
                "The link to the next page is no text",
                code="InvalidResponse",
                method="GET",
                url=url,
            )


def json_of(response: requests.Response) -> Any:
    """Return the JSON of an answer.

    Args:
        response: An answer that is a success.

    Returns:
        The JSON; `None` for an empty body.

    Raises:
        AzureError: The body is no JSON.
    """
    if not response.content:
        return None
    try:
        return json.loads(
            response.content
        )  # and not response.json(), which a byte order mark defeats
    except ValueError:
        error = error_from(response)
        error.code, error.message = (
            "InvalidResponse",
            "The answer is not JSON: is a proxy or a portal in between?",
        )
        raise error from None


def send(
    access_token: Token,
    method: str,
    url: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    *,
    tries: int = _retry.MAX_ATTEMPTS,
) -> requests.Response:
    """Send a request, and again if that is safe.

    Repeated are, up to five tries in all: 429 and a 503 that says `Retry-After`, for every method;
        408, 500, 502, 503,
    504 and broken connections for GET, PUT and DELETE; connections that never came about, for every
    method. The pause is what `Retry-After` says, else it doubles from half a second, with jitter. A
    401 `ExpiredAuthenticationToken` is repeated once with a fresh token where `access_token` is a
    callable or a credential.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        method: HTTP method, in capitals.
        url: From `url`, or a link that Azure gave. The token goes to the configured endpoint alone.
        body: What to send as JSON, or `None`.
        headers: Further headers.
        tries: How often at the most; 1 for a caller that has a loop of its own.

    Returns:
        The answer, a success. The request in it no longer holds the token.

    Raises:
        ValueError: The token or the endpoint cannot be used; nothing was sent.
        AzureError: Azure refused, or a link points away from the endpoint (then nothing was sent).
        Throttled: Azure asks to wait longer than two minutes, or still refuses after five tries.
        requests.ConnectionError, requests.Timeout: No answer; the message says of whom and what
            for.
    """
    # Here and not above: with what it loads it is a good part of what importing us costs.
    import uuid

    check_origin(url)
    all_headers = {"x-ms-client-request-id": str(uuid.uuid4()), **(headers or {})}
    if hooks := _hooks.get():
        tries = min(tries, hooks.max_attempts)
    attempt, unclear, renewed = 0, False, False
    while True:
        attempt += 1
        auth = _signed_in(access_token)
        try:
            response = _once(auth, method, url, body, all_headers)
        except _retry.CONNECTION_ERRORS as broken:
            unclear = unclear or not _retry.was_not_sent(broken)
            may_retry = attempt < tries and _retry.should_retry(
                method, None, attempt, was_not_sent=_retry.was_not_sent(broken)
            )
            if _retry.is_permanent(broken) or not may_retry:
                raise _retry.describe_connection_error(broken, method, url, attempt) from None
            _pause(
                _retry.delay(attempt), f"{method} {urlsplit(url).path}: {_retry.root_cause(broken)}"
            )
            continue
        if response.status_code < 300:
            return response
        error = error_from(response, _retry.retry_after(response))
        told = error.retry_after is not None
        if (
            error.code == "ExpiredAuthenticationToken"
            and not isinstance(access_token, str)
            and not renewed
        ):
            renewed = True
            getattr(access_token, "forget", lambda _: None)(
                auth.token
            )  # else it would give the same one again
        elif (
            attempt < tries
            and _retry.should_retry(method, error.status_code, attempt, has_retry_after=told)
            and _is_bearable(error)
        ):
            unclear = unclear or error.status_code in _retry.TRANSIENT_STATUSES
            _pause(_retry.delay(attempt, error.retry_after), one_line(error))
        else:
            raise _explained(error, access_token, unclear)


def _is_bearable(error: AzureError) -> bool:
    """Return whether Azure asks for a pause that is short enough to wait silently."""
    return (error.retry_after or 0) <= _retry.MAX_RETRY_AFTER


def _explained(error: AzureError, access_token: Token, unclear: bool) -> AzureError:
    """Return the error with advice that depends on the request."""
    if error.code == "ExpiredAuthenticationToken" and isinstance(access_token, str):
        error.message += (
            " A callable as access_token, such as token_provider() gives, would have been renewed."
        )
    if isinstance(error, PreconditionFailed) and unclear:
        error.message += " An earlier try of ours had no clear answer: the change may be our own."
    return error


def _signed_in(access_token: Token) -> _Bearer:
    """Return the token to send; retry a sign-in that is unavailable."""
    attempt = 0
    while True:
        attempt += 1
        try:
            return _Bearer(access_token)
        except (*_retry.CONNECTION_ERRORS, AuthenticationFailed) as error:
            status, asked = getattr(error, "status_code", None), getattr(error, "retry_after", None)
            hopeless = (
                status is None
                if isinstance(error, AuthenticationFailed)
                else _retry.is_permanent(error)
            )
            if (
                hopeless
                or (asked or 0) > _retry.MAX_RETRY_AFTER
                or not _retry.should_retry("GET", status, attempt)
            ):
                raise
            _pause(_retry.delay(attempt, asked), one_line(error))


def _once(
    auth: _Bearer, method: str, url: str, body: Any, headers: Mapping[str, str]
) -> requests.Response:
    """Send a request once; remove the token from the request that the response holds."""
    hooks = _hooks.get() or RequestHooks()
    request = (
        requests.PreparedRequest()
    )  # session.request() would merge with the session what it does not have
    request.prepare(method, url, headers={**session.headers, **headers}, json=body, auth=auth)
    hooks.before_send(method, url)
    started = _clock.monotonic()
    try:
        around = session.merge_environment_settings(url, {}, None, None, None)
        response = session.send(request, allow_redirects=False, **around)
    except requests.RequestException as error:
        if isinstance(error.request, requests.PreparedRequest):
            error.request.headers.pop("Authorization", None)
        raise
    response.request = copy.copy(response.request)  # its own copy() would make a cookie jar anew
    response.request.headers = response.request.headers.copy()
    response.request.headers.pop("Authorization", None)
    hooks.after_response(method, url, response)
    elapsed = (_clock.monotonic() - started) * 1000
    log.info("%s %s -> %s in %.0f ms", method, urlsplit(url).path, response.status_code, elapsed)
    return response


def _pause(seconds: float, why: str) -> None:
    log.warning("waiting %.1f s before trying again: %s", seconds, why)
    _clock.sleep(seconds)
