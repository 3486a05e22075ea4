"""Sign-in by MSAL: service principals, managed identities, and people."""

from __future__ import annotations

import inspect
import logging
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import requests
from typing_extensions import override

from .. import _clock, _retry, rest, settings
from .._text import duration, one_line
from ..errors import AuthenticationFailed
from ._credential_files import read_certificate, read_private, read_text, write_private
from ._error_advice import sign_in_error
from ._provider import Provider

AZURE_CLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
"""Application id of the Azure CLI, which exists in every tenant: people need no own application."""
_ANY_TENANT = "organizations"
_PERSON_TIMEOUT = 300.0
"""Seconds within which a person must sign in with the browser."""


class _MsalProvider(Provider):
    """A provider that creates an MSAL application for each request, and caches only the token."""

    def __init__(self, tenant_id: str, application_id: str, **displayed: object) -> None:
        super().__init__(tenant_id=tenant_id, application_id=application_id, **displayed)
        cloud = settings.cloud()
        # A managed identity has no authority: MSAL finds its endpoint.
        self._authority = _authority_url(cloud.authority, tenant_id) if tenant_id else ""
        self._is_published = settings.is_published(cloud.authority)
        self._resource = cloud.resource
        self._application_id = application_id

    @override
    def _request_token(self) -> tuple[str, float]:
        started = time.time()
        result = self._acquire_token()
        if not isinstance(result, Exception) and "access_token" not in result:
            result = sign_in_error(result, self._secrets())
        if isinstance(result, Exception):
            # Raised here without context and traceback, which contain the request with the secret.
            result.__context__ = None
            raise result.with_traceback(None)
        return str(result["access_token"]), started + float(result.get("expires_in") or 600)

    def _acquire_token(self) -> dict[str, Any] | Exception:
        """Return MSAL's result, or the exception to raise."""
        msal = _import_msal()
        try:
            with rest.sign_in_session() as session:
                return self._ask_msal(msal, session)
        except AuthenticationFailed as error:
            return error
        except requests.RequestException as error:
            url = self._authority or getattr(error.request, "url", None) or ""
            return _retry.describe_connection_error(error, "sign-in", url)
        except msal.managed_identity.ManagedIdentityError as error:
            return sign_in_error({"error_description": one_line(error)}, self._secrets())
        except (AttributeError, KeyError, TypeError, ValueError):
            # MSAL raises these for unexpected JSON.
            source = self._authority or "the managed identity's endpoint"
            message = f"Sign-in failed: {source} did not respond like Microsoft's sign-in service."
            return AuthenticationFailed(message, code="SignInFailed")

    def _create_application(self, kind: Callable[..., Any], session: Any, **more: Any) -> Any:
        """Return an MSAL application, which checks the tenant before a secret is sent."""
        try:
            return kind(
                self._application_id,
                authority=self._authority,
                instance_discovery=self._is_published,
                http_client=session,
                **more,
            )
        except ValueError:
            # MSAL raises this, with a message of five lines, for an unknown tenant.
            error = f"{self._authority} is not the sign-in of a tenant."
            raise sign_in_error({"error": "invalid_tenant", "error_description": error}) from None

    @property
    def _scopes(self) -> list[str]:
        return [self._resource + "/.default"]  # two slashes if the resource ends in one

    @property
    def _challenge(self) -> dict[str, str]:
        """MSAL's argument with the claims that Azure requires; empty if there are none."""
        return {"claims_challenge": self._claims} if self._claims else {}

    def _secrets(self) -> list[str]:
        """Return the values to mask in messages."""
        return []

    def _ask_msal(self, msal: Any, session: Any) -> dict[str, Any]:
        """Return MSAL's result: a dict with a token or an error."""
        raise NotImplementedError


class _ServicePrincipalProvider(_MsalProvider):
    """An application that signs in as itself."""

    @override
    def _ask_msal(self, msal: Any, session: Any) -> dict[str, Any]:
        credential = self._credential()
        application = self._create_application(
            msal.ConfidentialClientApplication, session, client_credential=credential
        )
        return application.acquire_token_for_client(  # type: ignore[no-any-return]
            self._scopes, **self._challenge
        )

    @override
    def _request_token(self) -> tuple[str, float]:
        # Errors of a file or a callable are raised unchanged, not as sign-in errors.
        self._credential()
        return super()._request_token()

    def _credential(self) -> Any:
        """Return the client credential for MSAL."""
        raise NotImplementedError


class SecretProvider(_ServicePrincipalProvider):
    """Tokens with an application's secret."""

    method = "client secret"

    def __init__(self, tenant_id: str, application_id: str, application_secret: str) -> None:
        super().__init__(tenant_id, application_id)
        self._secret = application_secret

    @override
    def _credential(self) -> str:
        return self._secret

    @override
    def _secrets(self) -> list[str]:
        return [self._secret]


class CertificateProvider(_ServicePrincipalProvider):
    """Tokens with an application's certificate; the file is read each time, as it may change."""

    method = "client certificate"

    def __init__(
        self,
        tenant_id: str,
        application_id: str,
        certificate: str,
        password: str | None = None,
        public_chain: bool = False,
    ) -> None:
        super().__init__(tenant_id, application_id, certificate=certificate)
        self._file = certificate
        self._password = password
        self._public_chain = public_chain

    @override
    def _credential(self) -> dict[str, str]:
        key, chain, thumbprint = read_certificate(self._file, self._password)
        credential = {"private_key": key, "thumbprint": thumbprint}
        if self._public_chain:
            credential["public_certificate"] = chain
        return credential

    @override
    def _secrets(self) -> list[str]:
        return [self._password] if self._password else []


class AssertionProvider(_ServicePrincipalProvider):
    """Tokens in exchange for a token of another issuer: workload identity, GitHub Actions."""

    method = "federated assertion"

    def __init__(
        self,
        tenant_id: str,
        application_id: str,
        assertion: str | Callable[[], str] = "",
        assertion_file: str | None = None,
    ) -> None:
        super().__init__(tenant_id, application_id, assertion_file=assertion_file)
        self._assertion = assertion
        self._file = assertion_file
        self._current = ""

    @override
    def _request_token(self) -> tuple[str, float]:
        if self._file is not None:
            self._current = read_text("assertion_file", self._file)
        else:
            self._current = self._assertion() if callable(self._assertion) else self._assertion
        if not isinstance(self._current, str) or self._current.count(".") != 2:
            raise ValueError(
                "assertion is not a JSON Web Token: pass the path of a file as assertion_file"
            )
        try:
            return super()._request_token()
        finally:
            self._current = ""

    @override
    def _credential(self) -> dict[str, Any]:
        current = self._current
        return {"client_assertion": lambda: current}  # MSAL warns if it is not a callable

    @override
    def _secrets(self) -> list[str]:
        return [self._current] if self._current else []


class ManagedIdentityProvider(_MsalProvider):
    """Tokens of the machine's managed identity; the environment has the endpoint."""

    method = "managed identity"

    def __init__(
        self,
        application_id: str | None = None,
        object_id: str | None = None,
        resource_id: str | None = None,
    ) -> None:
        super().__init__("", "")
        ids = {"object_id": object_id, "resource_id": resource_id}
        self._displayed = {"application_id": application_id, **ids}
        self._identity = {"client_id": application_id, **ids}

    @override
    def _ask_msal(self, msal: Any, session: Any) -> dict[str, Any]:
        session.trust_env = False  # the endpoint is on this machine, so no proxy is used
        identity = {name: value for name, value in self._identity.items() if value}
        if msal.managed_identity.get_managed_identity_source() is msal.managed_identity.CLOUD_SHELL:
            return self._ask_cloud_shell(msal, session, has_identity=bool(identity))
        chosen = (
            msal.UserAssignedManagedIdentity(**identity)
            if identity
            else msal.SystemAssignedManagedIdentity()
        )
        client = msal.ManagedIdentityClient(chosen, http_client=session)
        try:
            return client.acquire_token_for_client(  # type: ignore[no-any-return]
                resource=self._resource, **self._challenge
            )
        except OSError as error:
            if isinstance(error, requests.RequestException):
                raise
            raise AuthenticationFailed(
                f"Sign-in failed: {one_line(error)}", code="SignInFailed"
            ) from None

    def _ask_cloud_shell(self, msal: Any, session: Any, *, has_identity: bool) -> dict[str, Any]:
        if has_identity:
            message = (
                "Sign-in failed: Cloud Shell has only the identity of its user: do not pass an id."
            )
            raise AuthenticationFailed(message, code="SignInFailed")
        application = msal.PublicClientApplication(
            AZURE_CLI, instance_discovery=False, http_client=session
        )
        return application.acquire_token_interactive(self._scopes, prompt="none")  # type: ignore[no-any-return]

    @override
    def _secrets(self) -> list[str]:
        names = ("IDENTITY_HEADER", "MSI_SECRET")
        return [secret for name in names if (secret := os.environ.get(name))]


class _PersonProvider(_MsalProvider):
    """Tokens of a person who signs in once; later tokens come from a refresh token."""

    def __init__(
        self,
        tenant_id: str | None = None,
        application_id: str | None = None,
        cache_file: str | None = None,
    ) -> None:
        super().__init__(
            tenant_id or _ANY_TENANT, application_id or AZURE_CLI, cache_file=cache_file
        )
        self._cache_file = cache_file
        self._cache_text = ""

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_cache_text": ""}

    @override
    def _ask_msal(self, msal: Any, session: Any) -> dict[str, Any]:
        cache = msal.SerializableTokenCache()
        text = read_private(self._cache_file) if self._cache_file else self._cache_text
        try:
            cache.deserialize(text or None)
        except ValueError:
            raise AuthenticationFailed(
                f"{self._cache_file} is not a token cache: delete it", code="SignInFailed"
            ) from None
        application = self._create_application(
            msal.PublicClientApplication, session, token_cache=cache
        )
        result = self._sign_in_silently(application)
        if "access_token" not in result:
            # No prompt while the present token is valid.
            if time.time() < self._cached.expires_at:
                raise sign_in_error(result)
            result = self._sign_in_interactively(application)
        self._save_cache(cache)
        return result

    def _sign_in_silently(self, application: Any) -> dict[str, Any]:
        for account in application.get_accounts()[:1]:
            result = application.acquire_token_silent_with_error(
                self._scopes,
                account=account,
                force_refresh=self._is_rejected,
                **self._challenge,
            )
            return result or {}
        return {}

    def _save_cache(self, cache: Any) -> None:
        if not cache.has_state_changed:
            return
        if self._cache_file:
            write_private(self._cache_file, cache.serialize())
        else:
            self._cache_text = cache.serialize()

    def _sign_in_interactively(self, application: Any) -> dict[str, Any]:
        """Return MSAL's result after the person has signed in."""
        raise NotImplementedError


class BrowserProvider(_PersonProvider):
    """Tokens of a person who signs in with the browser of this machine."""

    method = "browser"

    @override
    def _sign_in_interactively(self, application: Any) -> dict[str, Any]:
        try:
            return application.acquire_token_interactive(  # type: ignore[no-any-return]
                self._scopes,
                timeout=_PERSON_TIMEOUT,
                prompt="select_account",
                **self._challenge,
            )
        except RuntimeError:  # MSAL raises this after the timeout
            limit = duration(_PERSON_TIMEOUT)
            message = f"Sign-in failed: no sign-in with the browser within {limit}."
            raise AuthenticationFailed(message, code="SignInTimeout") from None


class DeviceCodeProvider(_PersonProvider):
    """Tokens of a person who signs in with any browser and a displayed code."""

    method = "device code"

    def __init__(
        self,
        tenant_id: str | None = None,
        application_id: str | None = None,
        cache_file: str | None = None,
        device_code: Callable[[str], object] | None = None,
    ) -> None:
        super().__init__(tenant_id, application_id, cache_file)
        self._show = device_code

    @override
    def _sign_in_interactively(self, application: Any) -> dict[str, Any]:
        initiate = application.initiate_device_flow
        # Older versions of MSAL accept the claims only at the end of the flow.
        accepts_claims = "claims_challenge" in inspect.signature(initiate).parameters
        flow = initiate(self._scopes, **(self._challenge if accepts_claims else {}))
        if "user_code" not in flow:
            return dict(flow)
        message = str(
            flow.get("message")
            or f"Enter the code {flow['user_code']} at {flow['verification_uri']}"
        )
        if self._show:
            self._show(message)
        else:
            print(message, file=sys.stderr, flush=True)
        while True:
            result = application.acquire_token_by_device_flow(
                flow, exit_condition=lambda _: True, **self._challenge
            )
            is_pending = result.get("error") in ("authorization_pending", "slow_down")
            if not is_pending or time.time() >= flow["expires_at"]:
                return dict(result)
            _clock.sleep(float(flow.get("interval", 5)))


def _authority_url(base: str, tenant_id: str) -> str:
    """Return the authority as MSAL expects it: https, with the tenant as its path.

    AD FS has no tenants; its path is `adfs`.
    """
    if not base.startswith("https://"):
        raise ValueError(
            f"AZURE_AUTH_ENDPOINT must be https, not {base!r}: the secret would be sent in plain"
            " text"
        )
    return base if base.lower().endswith("/adfs") else f"{base}/{tenant_id}"


def _import_msal() -> Any:
    """Import MSAL, which is slow to import, and keep responses out of its log."""
    import msal
    import msal.managed_identity

    loggers = (
        "authority",
        "token_cache",
        "managed_identity",
        "cloudshell",
        "oauth2cli.authcode",
        "oauth2cli.oauth2",
    )
    for name in loggers:
        logging.getLogger(f"msal.{name}").addFilter(_is_fixed_text)
    return msal


def _is_fixed_text(record: logging.LogRecord) -> bool:
    """Return whether a line of MSAL's log is a fixed text; others contain responses and tokens."""
    return not record.args and not str(record.msg).startswith(("event=", "Token response"))
