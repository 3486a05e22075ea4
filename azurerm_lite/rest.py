"""HTTP with Azure: the one session, and in one place each: URLs, tokens, retries, pages. No other module sends."""

from __future__ import annotations

import contextlib
import contextvars
import copy
import email.utils
import functools
import http.cookiejar
import ipaddress
import json
import logging
import random
import re
import ssl
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import requests
import requests.adapters
import urllib3
from urllib3.util import parse_url

from . import settings
from .errors import (
    AuthenticationFailed,
    AzureError,
    PreconditionFailed,
    Throttled,
    error_from,
    one_line,
)
from .types import Token

TIMEOUT = (5.0, 60.0)
"""Seconds to connect, and seconds that the line may be silent."""
TRIES = 5
RETRY_AFTER_CAP = 120.0
"""Seconds; asked to wait longer, `Throttled` is raised instead of waiting where nobody sees it."""

_REPEATABLE = frozenset({"GET", "PUT", "DELETE"})
PASSING = frozenset({408, 500, 502, 503, 504})
"""HTTP statuses that say nothing of the request itself: asking again may help."""
# Another write is at work and will end; OperationNotAllowed and PropertyChangeNotAllowed never pass
# by waiting.
_PASSING_CONFLICTS = frozenset(
    {
        "Conflict",
        "AnotherOperationInProgress",
        "ConflictingConcurrentWriteNotAllowed",
        "OperationPreempted",
    }
)
BROKEN = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)
"""What `send` raises when there was no answer, or only a part of one."""
_NEVER_LEFT = (
    requests.ConnectTimeout,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ProxyError,
)

log = logging.getLogger("azurerm_lite")

# The seams for tests: everything in the library that waits does it through these two.
sleep = time.sleep
clock = time.monotonic


class Watch:
    """What a long job wants of the requests made for it: their number, and few tries, so that it can tell of its waits.

    Attributes:
        tries: How often a request is tried at the most.
        requests: How many were sent so far.
        throttled: How many of them were refused for the pace.
    """

    def __init__(self, tries: int = TRIES) -> None:
        self.tries = tries
        self.requests = self.throttled = 0

    def sending(self, _method: str, _url: str) -> None:
        """Takes note of a request that is about to be sent; it may hold it back, or raise `Throttled` instead."""
        self.requests += 1

    def answered(self, _method: str, _url: str, response: requests.Response) -> None:
        """Takes note of an answer."""
        self.throttled += response.status_code == 429


_watch: contextvars.ContextVar[Watch | None] = contextvars.ContextVar("watch", default=None)


@contextlib.contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """Lets a watch see to the requests made in this block."""
    before = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(before)


class _Session(requests.Session):
    """A session with a time limit on every request; whoever sends through it says who it is, or stays nobody."""

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
        """Nowhere: neither Azure nor its sign-in redirects, and a token or a secret must not follow whoever does."""

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        kwargs["timeout"] = kwargs.get("timeout") or TIMEOUT
        return super().send(request, **kwargs)


session = _Session()


class _SignInSession(_Session):
    """What MSAL sends through: it gets to see only what it can read, as it logs whatever it cannot."""

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
    """The error for an answer of the sign-in that says nothing of the request itself."""
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
        retry_after=retry_after_of(response),
    )


def sign_in_session() -> requests.Session:
    """A session for one sign-in by MSAL.

    Returns: The session: as `session` is, and an answer that is no JSON object, or says that the
        sign-in is not well, is raised as `AuthenticationFailed`.
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
    """The token itself, checked: http.client would quote a malformed one in its error.

    Args: access_token: Bearer token, or a zero-argument callable that returns one; or a credential
        of azure-identity,
            which is asked for a token of the configured cloud's resource manager.

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
            f"access_token must be a string or a callable that returns one, not {type(token).__name__}"
        )
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError(
            "access_token is empty or holds blanks, line ends or other characters that no token has"
        )
    return token


def _of_credential(credential: Any) -> Any:
    """The token of a credential; what Azure's SDK raises becomes an error of ours, without the request in it."""
    try:
        return getattr(credential.get_token(settings.cloud().resource + "/.default"), "token", None)
    except Exception as error:
        if not type(error).__module__.startswith("azure."):
            raise
        message = f"{type(credential).__name__} gives no token: {one_line(error)}"
    raise AuthenticationFailed(message, code="SignInFailed")


def url(
    path: str,
    names: Mapping[str, str],
    api_version: str,
    query: Mapping[str, str | int | None] | None = None,
) -> str:
    """A resource-manager URL.

    Args:
        path: The path with a `{name}` for each name, such as `/subscriptions/{subscription_id}`.
        names: What to put in for each name; each stays within its segment of the path.
        api_version: The API version.
        query: Further query parameters; those that are `None` are left out.

    Returns:
        The URL at the configured endpoint.

    Raises:
        ValueError: A name is no string, is empty or cannot be one; nothing was sent.
    """
    quoted = {argument: _segment(argument, name) for argument, name in names.items()}
    given = {name: value for name, value in (query or {}).items() if value is not None}
    parameters = urlencode({**given, "api-version": api_version}, quote_via=quote, safe="$,/'()")
    return f"{settings.cloud().resource_manager}{path.format_map(quoted)}?{parameters}"


def _segment(argument: str, name: str) -> str:
    if (
        not isinstance(name, str)
        or not name.strip()
        or name in (".", "..")
        or not name.isprintable()
    ):
        raise ValueError(f"{argument} must be a name, not {name!r}")
    return quote(name, safe="")


def get(access_token: Token, url: str) -> Any:
    """The JSON at a URL.

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
    """The list at a URL, all its pages.

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
    """The pages of a list, one after the other; a page may be empty and yet not be the last."""
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
    """The JSON of an answer.

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
    tries: int = TRIES,
) -> requests.Response:
    """One request, repeated where that is safe.

    Repeated are, up to five tries in all: 429 and a 503 that says `Retry-After`, for every method;
    408, 500, 502, 503, 504 and broken connections for GET, PUT and DELETE; connections that never
    came about, for every method. The pause is what `Retry-After` says, else it doubles from half a
    second, with jitter. A 401 `ExpiredAuthenticationToken` is repeated once with a fresh token
    where `access_token` is a callable or a credential.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        method: HTTP method, in capitals.
        url: From `url`, or a link that Azure gave. The token goes to the configured endpoint alone.
        body: What to send as JSON, or `None`.
        headers: Further headers.
        tries: How often at the most; 1 for a caller that has a loop of its own.

    Returns:
        The answer, a success. The request in it no longer holds the token.

    Raises: ValueError: The token or the endpoint cannot be used; nothing was sent. AzureError:
        Azure refused, or a link points away from the endpoint (then nothing was sent). Throttled:
        Azure asks to wait longer than two minutes, or still refuses after five tries.
        requests.ConnectionError, requests.Timeout: No answer; the message says of whom and what
        for.
    """
    import uuid  # here and not above: with what it loads it is a good part of what importing us costs

    _check_target(url)
    all_headers = {"x-ms-client-request-id": str(uuid.uuid4()), **(headers or {})}
    if watch := _watch.get():
        tries = min(tries, watch.tries)
    attempt, unclear, renewed = 0, False, False
    while True:
        attempt += 1
        auth = _signed_in(access_token)
        try:
            response = _once(auth, method, url, body, all_headers)
        except BROKEN as broken:
            unclear = unclear or not never_left(broken)
            may_retry = attempt < tries and should_retry(
                method, None, attempt, never_left=never_left(broken)
            )
            if is_hopeless(broken) or not may_retry:
                raise unreachable(broken, method, url, attempt) from None
            _pause(delay(attempt), f"{method} {urlsplit(url).path}: {reason(broken)}")
            continue
        if response.status_code < 300:
            return response
        error = error_from(response, retry_after_of(response))
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
            and should_retry(method, error.status_code, attempt, told=told)
            and _is_bearable(error)
        ):
            unclear = unclear or error.status_code in PASSING
            _pause(delay(attempt, error.retry_after), one_line(error))
        else:
            raise _explained(error, access_token, unclear)


def _is_bearable(error: AzureError) -> bool:
    """Whether Azure asks for a pause that may be waited out where nobody sees it."""
    return (error.retry_after or 0) <= RETRY_AFTER_CAP


def _explained(error: AzureError, access_token: Token, unclear: bool) -> AzureError:
    """The error, with what only the sender knows."""
    if error.code == "ExpiredAuthenticationToken" and isinstance(access_token, str):
        error.message += (
            " A callable as access_token, such as token_provider() gives, would have been renewed."
        )
    if isinstance(error, PreconditionFailed) and unclear:
        error.message += " An earlier try of ours had no clear answer: the change may be our own."
    return error


def _signed_in(access_token: Token) -> _Bearer:
    """The token to send. A sign-in that is out of reach or not well is tried again; its error names it, not Azure."""
    attempt = 0
    while True:
        attempt += 1
        try:
            return _Bearer(access_token)
        except (*BROKEN, AuthenticationFailed) as error:
            status, asked = getattr(error, "status_code", None), getattr(error, "retry_after", None)
            hopeless = (
                status is None if isinstance(error, AuthenticationFailed) else is_hopeless(error)
            )
            if (
                hopeless
                or (asked or 0) > RETRY_AFTER_CAP
                or not should_retry("GET", status, attempt)
            ):
                raise
            _pause(delay(attempt, asked), one_line(error))


def _once(
    auth: _Bearer, method: str, url: str, body: Any, headers: Mapping[str, str]
) -> requests.Response:
    """One try; the request that hangs on the answer is stripped of the token, so that no log or pickle can hold it."""
    watch = _watch.get() or Watch()
    request = (
        requests.PreparedRequest()
    )  # session.request() would merge with the session what it does not have
    request.prepare(method, url, headers={**session.headers, **headers}, json=body, auth=auth)
    watch.sending(method, url)
    started = clock()
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
    watch.answered(method, url, response)
    elapsed = (clock() - started) * 1000
    log.info("%s %s -> %s in %.0f ms", method, urlsplit(url).path, response.status_code, elapsed)
    return response


def should_retry(
    method: str, status: int | None, attempt: int, *, told: bool = False, never_left: bool = False
) -> bool:
    """Whether a request that failed may be sent again.

    Args:
        method: HTTP method, in capitals.
        status: HTTP status, or `None` when there was no answer.
        attempt: Which try it was, from 1.
        told: Whether the answer said `Retry-After`.
        never_left: Whether it is certain that Azure did not get the request.

    Returns:
        Whether to try again.
    """
    if attempt >= TRIES:
        return False
    if status is None:
        return never_left or method in _REPEATABLE
    return (
        status == 429 or (status == 503 and told) or (status in PASSING and method in _REPEATABLE)
    )


def delay(attempt: int, retry_after: float | None = None) -> float:
    """Seconds to pause after a try: what Azure asks for, else doubling from half a second, up to half of it by chance.

    Args:
        attempt: Which try it was, from 1.
        retry_after: Seconds that Azure asks to wait, or `None`.

    Returns:
        Seconds; with `retry_after` never less than that.
    """
    pause: float = 0.5 * 2 ** (attempt - 1)
    jitter = random.uniform(0.5, 1.0)
    return retry_after + pause * jitter / 4 if retry_after else pause * jitter


def retry_after_of(response: requests.Response) -> float | None:
    """Seconds that an answer asks to wait: `Retry-After` as seconds or as a date; `None` where it does not say."""
    value = response.headers.get("Retry-After", "").strip()
    if not value:
        return _until_quota(response)
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _until_quota(response: requests.Response) -> float | None:
    """Seconds until Resource Graph answers again (`00:00:05`): it refuses with a header of its own."""
    parts = re.fullmatch(
        r"(\d+):(\d\d):(\d\d)", response.headers.get("x-ms-user-quota-resets-after", "").strip()
    )
    if response.status_code != 429 or parts is None:
        return None
    hours, minutes, seconds = map(float, parts.groups())
    return hours * 3600 + minutes * 60 + seconds


def never_left(error: BaseException) -> bool:
    """Whether a connection broke before it came about, so that Azure cannot have got the request."""
    return any(isinstance(cause, _NEVER_LEFT) for cause in _causes(error))


def may_pass(error: Exception) -> bool:
    """Whether a failed request may well succeed later: no clear answer, too fast, or another write at work."""
    if isinstance(error, AzureError):
        passes = isinstance(error, Throttled) or error.status_code in PASSING
        return passes or error.code == "InvalidResponse" or error.code in _PASSING_CONFLICTS
    return isinstance(error, BROKEN) and not is_hopeless(error)


def is_hopeless(error: BaseException) -> bool:
    """Whether trying again cannot help: the certificate is not trusted."""
    return any(
        isinstance(cause, ssl.SSLCertVerificationError | _Untrusted) for cause in _causes(error)
    )


def reason(error: BaseException) -> str:
    """What broke a connection, in the words of the innermost cause; the outer ones hold object addresses and URLs."""
    return one_line(list(_causes(error))[-1])


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and those inside it: requests and urllib3 hand the cause on as `reason`, an argument or `from`."""
    seen: list[BaseException] = []
    inner: BaseException | None = error
    while inner is not None:
        seen.append(inner)
        yield inner
        candidates = (
            getattr(inner, "reason", None),
            *inner.args,
            inner.__cause__,
            inner.__context__,
        )
        inner = next(
            (each for each in candidates if isinstance(each, BaseException) and each not in seen),
            None,
        )


class _Untrusted(requests.exceptions.SSLError):
    """A certificate that is not trusted, told in one sentence; it stays hopeless without what it came from."""


def unreachable(
    error: requests.RequestException, method: str, url: str, attempts: int = 1
) -> requests.RequestException:
    """The same kind of exception, saying in one sentence who could not be reached, why, and how often it was tried.

    Args:
        error: What requests raised.
        method: HTTP method.
        url: The URL asked for.
        attempts: How often it was tried.

    Returns:
        The exception to raise.
    """
    parts = urlsplit(url)
    tries = f"{attempts} tries" if attempts > 1 else "1 try"
    if is_hopeless(error):
        advice = " If the network has a CA of its own, name its file in REQUESTS_CA_BUNDLE."
        return _Untrusted(
            f"The certificate of {parts.netloc} is not trusted: {reason(error)}.{advice}"
        )
    return type(error)(
        f"No answer from {parts.netloc} ({method} {parts.path}, {tries}): {reason(error)}"
    )


def _pause(seconds: float, why: str) -> None:
    log.warning("waiting %.1f s before trying again: %s", seconds, why)
    sleep(seconds)


def _check_target(url: str) -> None:
    """Refuses to send a token in plain text, or anywhere but to the configured endpoint."""
    endpoint = settings.cloud().resource_manager
    origin = _origin(endpoint)
    if _origin(url) != origin:
        raise AzureError(
            f"A link points to {url.partition('?')[0]!r}, not to {endpoint}: the token is not sent there",
            code="ForeignLink",
        )
    if origin[0] != "https" and not _is_loopback(origin[1]):
        raise ValueError(
            f"AZURE_RM_ENDPOINT must be https, not {endpoint!r}: the token would be readable on the way"
        )


@functools.lru_cache(maxsize=256)
def _origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port as requests will read them; of a link on which parsers differ, nothing."""
    try:
        parts, seen = parse_url(url), urlsplit(url)
        host = (parts.host or "").strip("[]")
        # No link of Azure's has a user in it, and where one ends is what parsers differ on.
        agreed = parts.auth is None and seen.username is None and (seen.hostname or "") == host
    except ValueError:
        agreed = False
    if not agreed:
        return "", "", None
    scheme = parts.scheme or ""
    return scheme, host, parts.port or {"https": 443, "http": 80}.get(scheme)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
