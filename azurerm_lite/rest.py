"""Send requests to Azure: session, tokens, retries and pages. No other module sends requests."""

from __future__ import annotations

import contextlib
import contextvars
import copy
import http.cookiejar
import json
import logging
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import requests
import requests.adapters

from . import _clock, _retry, settings
from ._arguments import check_json, check_mapping, check_text, check_whole_number
from ._shapes import Shape, list_of, require
from ._text import duration, one_line
from ._urls import build_url as url
from ._urls import check_origin
from .errors import AuthenticationFailed, AzureError, PreconditionFailed, error_from_response
from .types import Token

__all__ = ["TIMEOUT", "get", "get_list", "send", "session", "url"]

CLAIMS_ADVICE = (
    " Azure requires a token with more claims, such as a second factor or a new sign-in: sign in"
    " again. With the Azure CLI: 'az logout', then 'az login --claims-challenge' with the claims in"
    " the error's attribute `claims`."
)
_ADVICE = {
    "InvalidAuthenticationTokenTenant": "The token belongs to another tenant than the subscription:"
    " set AZURE_TENANT_ID or run 'az login --tenant ...'.",
    "InvalidAuthenticationTokenAudience": "The token is for another service or cloud: check"
    " AZURE_RESOURCE_ENDPOINT and AZURE_RM_ENDPOINT.",
    "LinkedAuthorizationFailed": "If the image belongs to another tenant, pass a token of that"
    " tenant as auxiliary_tokens.",
}
"""What to do, by Azure's error code for a token with missing rights."""

AUXILIARY_HEADER = "x-ms-authorization-auxiliary"
_MAX_AUXILIARY_TOKENS = 3

_PAUSES = {410: 20.0}
"""Seconds to pause after a sign-in with this status. The endpoint of a managed identity returns 410
while it is updated, which takes up to 70 s."""

TIMEOUT = (5.0, 60.0)
"""Seconds to connect, and seconds to wait for the next byte."""

log: logging.Logger = logging.getLogger("azurerm_lite")


_counting = threading.Lock()
"""Guards the counters of the hooks: one caller may send from several threads."""


class RequestHooks:
    """Hooks around the requests of one caller, which count them and limit the attempts.

    Attributes:
        max_attempts: The most attempts per request.
        requests: Number of requests sent so far.
        throttled: Number of responses with status 429.
    """

    def __init__(self, max_attempts: int = _retry.MAX_ATTEMPTS) -> None:
        self.max_attempts = max_attempts
        self.requests: int = 0
        self.throttled: int = 0

    def before_send(self, _method: str, _url: str) -> None:
        """Count a request before it is sent.

        Subclasses may delay it or raise `Throttled`.
        """
        with _counting:
            self.requests += 1

    def after_response(self, _method: str, _url: str, response: requests.Response) -> None:
        """Count a response."""
        with _counting:
            self.throttled += response.status_code == 429


_hooks: contextvars.ContextVar[RequestHooks | None] = contextvars.ContextVar("hooks", default=None)


@contextlib.contextmanager
def request_hooks(hooks: RequestHooks) -> Iterator[None]:
    """Apply hooks to the requests that this block sends."""
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
        # Without auth, requests would read a netrc file.
        self.auth = lambda request: request
        self.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        # One connection per thread of a fleet; `send` does the retries.
        self.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=32, max_retries=0))

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return nothing: Azure never redirects, and a token must not follow a redirect."""

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        kwargs["timeout"] = kwargs.get("timeout") or TIMEOUT
        return super().send(request, **kwargs)


session: _Session = _Session()


class _SignInSession(_Session):
    """The session for MSAL; it raises for responses that MSAL cannot parse and would log."""

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        response = super().send(request, **kwargs)
        is_challenge = response.status_code == 401 and "WWW-Authenticate" in response.headers
        if _is_unavailable(response) or not (is_challenge or _is_json_object(response)):
            raise _unavailable_error(request, response)
        return response


def _is_unavailable(response: requests.Response) -> bool:
    """Return whether a later attempt may succeed; a managed identity returns 410 while updating."""
    return response.status_code in (410, 429) or response.status_code >= 500


def _is_json_object(response: requests.Response) -> bool:
    try:
        return isinstance(json.loads(response.content), dict)
    except (ValueError, RecursionError):
        return False


def _unavailable_error(
    request: requests.PreparedRequest, response: requests.Response
) -> AuthenticationFailed:
    """Return the error for a sign-in service that is unavailable or responds unexpectedly."""
    parts = urlsplit(request.url or "")
    reason = "did not respond like Microsoft's sign-in service"
    if response.status_code == 429:
        reason = "throttles this client (HTTP 429)"
    elif _is_unavailable(response):
        reason = f"is temporarily unavailable (HTTP {response.status_code})"
    return AuthenticationFailed(
        f"Sign-in failed: {parts.netloc} {reason}.",
        code="SignInFailed",
        status_code=response.status_code,
        request_id=response.headers.get("x-ms-request-id"),
        method=request.method,
        url=f"{parts.scheme}://{parts.netloc}{parts.path}",
        retry_after=_retry.retry_after(response) or _PAUSES.get(response.status_code),
    )


def sign_in_session() -> requests.Session:
    """Return a session for one sign-in by MSAL.

    Returns:
        A `requests.Session` like `session`, which raises `AuthenticationFailed` if the sign-in
        service is unavailable or does not respond with a JSON object.
    """
    return _SignInSession()


class _Bearer(requests.auth.AuthBase):
    """The bearer tokens as `auth` for requests, so that it does not read a netrc file."""

    def __init__(self, access_token: Token, auxiliary_tokens: Iterable[Token] = ()) -> None:
        self.token = resolve_token(access_token)
        self.auxiliary_tokens = [
            resolve_token(token, "auxiliary_tokens") for token in auxiliary_tokens
        ]

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = "Bearer " + self.token
        if self.auxiliary_tokens:
            bearers = [f"Bearer {token}" for token in self.auxiliary_tokens]
            request.headers[AUXILIARY_HEADER] = ", ".join(bearers)
        return request


def _remove_tokens(request: requests.PreparedRequest) -> None:
    """Remove the tokens from a request that a response or an error refers to."""
    request.headers.pop("Authorization", None)
    request.headers.pop(AUXILIARY_HEADER, None)


def check_auxiliary_tokens(auxiliary_tokens: Sequence[Token]) -> None:
    """Check that a value is a list of auxiliary tokens.

    Args:
        auxiliary_tokens: The caller's value.

    Raises:
        ValueError: It is not a list of at most three tokens. The message shows no token.
    """
    if not isinstance(auxiliary_tokens, (list, tuple)):
        kind = type(auxiliary_tokens).__name__
        raise ValueError(f"auxiliary_tokens must be a list of tokens, not {kind}")
    if len(auxiliary_tokens) > _MAX_AUXILIARY_TOKENS:
        raise ValueError(
            f"auxiliary_tokens has {len(auxiliary_tokens)} tokens; Azure accepts at most"
            f" {_MAX_AUXILIARY_TOKENS}"
        )


def resolve_token(access_token: Token, argument: str = "access_token") -> str:
    """Return the token as a string, checked: http.client would show a malformed one in its error.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one, or an
            azure-identity credential. The credential's token is for the configured resource
            manager.
        argument: Name of the argument, for the error.

    Returns:
        A string: the token.

    Raises:
        ValueError: It is not a token. The message does not show it.
        AuthenticationFailed: The credential returns no token.
    """
    if callable(getattr(access_token, "get_token", None)):
        token = _get_credential_token(access_token)
    else:
        token = access_token() if callable(access_token) else access_token
    if not isinstance(token, str):
        raise ValueError(
            f"{argument} must be a string or a callable that returns one, not"
            f" {type(token).__name__}"
        )
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError(
            f"{argument} is empty or contains whitespace, control or non-ASCII characters"
        )
    return token


def _get_credential_token(credential: Any) -> Any:
    """Return the token of a credential; turn errors of Azure's SDK into `AuthenticationFailed`."""
    try:
        return getattr(credential.get_token(settings.cloud().resource + "/.default"), "token", None)
    except Exception as error:
        if not type(error).__module__.startswith("azure."):
            raise
        inner = getattr(credential, "credential", credential)
        named = inner if isinstance(credential, _ChallengedCredential) else credential
        message = f"{type(named).__name__} returned no token: {one_line(error)}"
    raise AuthenticationFailed(message, code="SignInFailed")


def get(access_token: Token, url: str) -> Any:
    """Return the JSON at a URL.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        url: URL built by `url`, or a link from Azure.

    Returns:
        The JSON (a dict, a list or a value); `None` for an empty body.

    Raises:
        NotFound: The resource does not exist.
        AzureError: Azure returned an error, with its code and message; or the body is not JSON.
    """
    return read_json(send(access_token, "GET", url))


def get_list(access_token: Token, url: str) -> list[Any]:
    """Return the list at a URL, all pages.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        url: URL built by `url`.

    Returns:
        A list of the entries of all pages, in order.

    Raises:
        AzureError: Azure returned an error, with its code and message; or a page is not a list, or
            links to a page that was already read or to another host.
    """
    return [entry for page in get_pages(access_token, url) for entry in page]


def get_object(access_token: Token, url: str, shape: Shape) -> Any:
    """Return the object at a URL, after checking its shape.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        url: URL built by `url`, or a link from Azure.
        shape: The required shape.

    Returns:
        A dict.

    Raises:
        NotFound: The resource does not exist.
        AzureError: Azure returned an error, with its code and message; or the response has another
            shape (code `InvalidResponse`).
    """
    return require(shape, get(access_token, url), url=url)


def get_objects(access_token: Token, url: str, shape: Shape) -> list[Any]:
    """Return the list at a URL, all pages, after checking the shape of each entry.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        url: URL built by `url`.
        shape: The required shape of each entry.

    Returns:
        A list of dicts.

    Raises:
        AzureError: As for `get_list`; or an entry has another shape (code `InvalidResponse`).
    """
    entries: list[Any] = require(list_of(shape), get_list(access_token, url), url=url)
    return entries


def get_pages(access_token: Token, url: str) -> Iterator[list[Any]]:
    """Yield the pages of a list; an empty page may be followed by others."""
    check_text("url", url)
    seen = set()
    link: str | None = url
    while link:
        if link in seen:
            raise _invalid_response(
                "The nextLink of the list points to a page that was already read",
                link,
                "NextLinkRepeats",
            )
        seen.add(link)
        body = get(access_token, link)
        if isinstance(body, list):
            # The lists of platform images are plain JSON arrays in one page.
            yield body
            return
        if not isinstance(body, dict) or not isinstance(body.get("value"), list):
            raise _invalid_response("The response contains no list", link)
        yield body["value"]
        link = body.get("nextLink")
        if not isinstance(link, str | None):
            raise _invalid_response("The nextLink of the list is not a string", url)


def _invalid_response(message: str, url: str, code: str = "InvalidResponse") -> AzureError:
    return AzureError(message, code=code, method="GET", url=url)


def read_json(response: requests.Response) -> Any:
    """Return the JSON of a response.

    Args:
        response: A successful response.

    Returns:
        The JSON; `None` for an empty body.

    Raises:
        AzureError: The body is not JSON.
    """
    if not response.content:
        return None
    try:
        # response.json() would fail on a byte order mark.
        return json.loads(response.content)
    except (ValueError, RecursionError):  # RecursionError: a thousand nested brackets
        error = error_from_response(response)
        error.code = "InvalidResponse"
        error.message = "The response is not JSON; a proxy or a login portal may have sent it"
        raise error from None


def send(
    access_token: Token,
    method: str,
    url: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    *,
    max_attempts: int = _retry.MAX_ATTEMPTS,
    auxiliary_tokens: Sequence[Token] = (),
) -> requests.Response:
    """Send a request, and retry it if that is safe.

    There are at most five attempts. Any method is retried after a 429, a 503 with `Retry-After`,
    and a connection that failed before the request was sent. GET, PUT and DELETE are also retried
    after 408, 500, 502, 503, 504 and other connection errors. The pause is that of `Retry-After`;
    otherwise it doubles from half a second, with jitter. After a 401 the request is sent once more
    with a fresh token, if `access_token` is a callable or a credential.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        method: HTTP method, in capitals.
        url: URL built by `url`, or a link from Azure. The token is sent only to the configured
            endpoint.
        body: JSON body; `None` for no body.
        headers: More headers, such as `{"If-Match": etag}`.
        max_attempts: The most attempts; 1 for a caller with its own retry loop.
        auxiliary_tokens: At most three tokens of other tenants whose resources the request names.

    Returns:
        A `requests.Response` with a status below 300. Pass that of a write or an action to `wait`.
        The request in it no longer contains a token.

    Raises:
        ValueError: The token, the endpoint or an argument is invalid; nothing was sent.
        AzureError: Azure returned an error, with its code and message; or the URL points to
            another host (then nothing was sent).
        Throttled: Azure asks to wait for more than two minutes, or still throttles after five
            attempts.
        requests.ConnectionError, requests.Timeout: There was no response. The message has host,
            path and reason.
    """
    # Imported here because it is slow to import.
    import uuid

    check_text("url", url)
    check_origin(url)
    check_auxiliary_tokens(auxiliary_tokens)
    _check_request(method, body, headers, max_attempts)
    all_headers = {"x-ms-client-request-id": str(uuid.uuid4()), **(headers or {})}
    hooks = _hooks.get()
    if hooks:
        max_attempts = min(max_attempts, hooks.max_attempts)
    attempt = 0
    is_unclear = False
    is_renewed = False
    claims: str | None = None
    while True:
        attempt += 1
        try:
            auth = _sign_in(access_token, auxiliary_tokens)
        except AuthenticationFailed as failure:
            failure.claims = failure.claims or claims
            raise
        try:
            response = _send_once(auth, method, url, body, all_headers)
        except _retry.CONNECTION_ERRORS as broken:
            was_not_sent = _retry.was_not_sent(broken)
            is_unclear = is_unclear or not was_not_sent
            may_retry = attempt < max_attempts and _retry.should_retry(
                method, None, attempt, was_not_sent=was_not_sent
            )
            if _retry.is_permanent(broken) or not may_retry:
                raise _retry.describe_connection_error(broken, method, url, attempt) from None
            reason = f"{method} {urlsplit(url).path}: {_retry.root_cause(broken)}"
            _pause(_retry.delay(attempt), reason)
            continue
        if response.status_code < 300:
            return response
        error = error_from_response(response, _retry.retry_after(response))
        if _is_renewable(error, access_token) and not is_renewed:
            is_renewed = True
            claims = _claims_of(response)
            access_token = _with_fresh_token(access_token, auth.token, claims)
            continue
        if attempt >= max_attempts or not _may_send_again(method, error, attempt):
            raise _explain(error, access_token, is_unclear)
        is_unclear = is_unclear or error.status_code in _retry.TRANSIENT_STATUSES
        _pause(_retry.delay(attempt, error.retry_after), one_line(error))


def _check_request(method: str, body: Any, headers: Any, max_attempts: int) -> None:
    """Check the parts of a request."""
    check_text("method", method)
    if body is not None:
        check_json("body", body)
    if headers is not None:
        check_mapping("headers", headers)
        for name, value in headers.items():
            check_text(f"headers: {name}", value)
    check_whole_number("max_attempts", max_attempts, 1)


def _may_send_again(method: str, error: AzureError, attempt: int) -> bool:
    """Return whether a rejected request may be retried and Azure's pause is short enough."""
    has_retry_after = error.retry_after is not None
    may_retry = _retry.should_retry(
        method, error.status_code, attempt, has_retry_after=has_retry_after
    )
    return may_retry and (error.retry_after or 0) <= _retry.MAX_RETRY_AFTER


def _is_renewable(error: AzureError, access_token: Token) -> bool:
    """Return whether a fresh token may help."""
    return isinstance(error, AuthenticationFailed) and not isinstance(access_token, str)


class _ChallengedCredential:
    """An azure-identity credential whose tokens have the claims of a challenge."""

    def __init__(self, credential: Any, claims: str) -> None:
        self.credential = credential
        self._claims = claims

    def get_token(self, *scopes: str) -> Any:
        """Return a token with the claims."""
        return self.credential.get_token(*scopes, claims=self._claims)


def _with_fresh_token(access_token: Token, token: str, claims: str | None) -> Token:
    """Return `access_token` prepared to give a new token with the claims that Azure requires."""
    wanted = _decode_claims(claims)
    require_claims = getattr(access_token, "require_claims", None)
    if wanted and callable(require_claims):
        require_claims(wanted)
    forget = getattr(access_token, "forget", None)
    if callable(forget):
        forget(token)
    if wanted and _accepts_claims(getattr(access_token, "get_token", None)):
        return _ChallengedCredential(access_token, wanted)
    return access_token


def _accepts_claims(get_token: Any) -> bool:
    """Return whether a credential's `get_token` has the argument `claims`."""
    import inspect

    if not callable(get_token):
        return False
    parameters = inspect.signature(get_token).parameters.values()
    return any(
        parameter.name == "claims" or parameter.kind is parameter.VAR_KEYWORD
        for parameter in parameters
    )


def _decode_claims(claims: str | None) -> str:
    """Return claims as JSON for a sign-in; `""` if they cannot be decoded."""
    import base64

    try:
        text = base64.urlsafe_b64decode((claims or "") + "===").decode()
        return text if isinstance(json.loads(text), dict) else ""
    except (ValueError, RecursionError):
        return ""


def _explain(error: AzureError, access_token: Token, is_unclear: bool) -> AzureError:
    """Return the error with advice that depends on the request."""
    if error.code == "ExpiredAuthenticationToken" and isinstance(access_token, str):
        error.message += (
            " Pass token_provider() or another callable as access_token to have it renewed."
        )
    if isinstance(error, AuthenticationFailed) and error.response is not None:
        error.claims = _claims_of(error.response)
        if error.claims:
            error.message += CLAIMS_ADVICE
    if error.code in _ADVICE:
        error.message += f" {_ADVICE[error.code]}"
    if isinstance(error, PreconditionFailed) and is_unclear:
        error.message += (
            " An earlier attempt got no clear response; the conflicting change may be our own."
        )
    return error


def _claims_of(response: requests.Response) -> str | None:
    """Return the claims that Azure requires in a token, still encoded; `None` if there are none."""
    challenge = response.headers.get("WWW-Authenticate", "")
    found = re.search(r'claims="([^"]+)"', challenge)
    return found[1] if found else None


def _sign_in(access_token: Token, auxiliary_tokens: Sequence[Token]) -> _Bearer:
    """Return the tokens to send; retry if the sign-in service is unavailable."""
    attempt = 0
    while True:
        attempt += 1
        try:
            return _Bearer(access_token, auxiliary_tokens)
        except (*_retry.CONNECTION_ERRORS, AuthenticationFailed) as error:
            if not _may_sign_in_again(error, attempt):
                raise
            seconds = _retry.delay(attempt, getattr(error, "retry_after", None))
            _pause(seconds, one_line(error))


def _may_sign_in_again(error: Exception, attempt: int) -> bool:
    """Return whether a failed sign-in may succeed soon."""
    status = getattr(error, "status_code", None)
    if isinstance(error, AuthenticationFailed):
        is_permanent = status is None
    else:
        is_permanent = _retry.is_permanent(error)
    retry_after = getattr(error, "retry_after", None) or 0
    is_short = retry_after <= _retry.MAX_RETRY_AFTER
    if status in _PAUSES:
        status = 503
    return not is_permanent and is_short and _retry.should_retry("GET", status, attempt)


def _send_once(
    auth: _Bearer, method: str, url: str, body: Any, headers: Mapping[str, str]
) -> requests.Response:
    """Send a request once; remove the tokens from the request in the response."""
    hooks = _hooks.get() or RequestHooks()
    # session.request() would be slower: it merges settings that this session does not have.
    request = requests.PreparedRequest()
    request.prepare(method, url, headers={**session.headers, **headers}, json=body, auth=auth)
    hooks.before_send(method, url)
    started = _clock.monotonic()
    try:
        environment = session.merge_environment_settings(url, {}, None, None, None)
        response = session.send(request, allow_redirects=False, **environment)
    except requests.RequestException as error:
        if isinstance(error.request, requests.PreparedRequest):
            _remove_tokens(error.request)
        raise
    # PreparedRequest.copy() would create another cookie jar.
    response.request = copy.copy(response.request)
    response.request.headers = response.request.headers.copy()
    _remove_tokens(response.request)
    hooks.after_response(method, url, response)
    elapsed = (_clock.monotonic() - started) * 1000
    log.info("%s %s -> %s in %.0f ms", method, urlsplit(url).path, response.status_code, elapsed)
    return response


def _pause(seconds: float, reason: str) -> None:
    log.warning("retrying in %s: %s", duration(seconds), reason)
    _clock.sleep(seconds)
