"""The ways to sign in that go through MSAL: service principals, managed identities, and people."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import requests

from .. import _clock, _retry, rest, settings
from .._text import one_line
from ..errors import AuthenticationFailed
from ._credential_files import read_certificate, read_private, read_text, write_private
from ._error_advice import refused
from ._provider import Provider

AZURE_CLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
"""The Azure CLI's own application, which every tenant knows: a person needs none of theirs."""
_ANY_TENANT = "organizations"
_PERSON_TIMEOUT = 300.0
"""Seconds that a person has at the browser."""


class _ByMsal(Provider):
    """Asks a new MSAL application each time; only the token is kept, here."""

    def __init__(self, tenant_id: str, application_id: str, **shown: object) -> None:
        super().__init__(tenant_id=tenant_id, application_id=application_id, **shown)
        cloud = settings.cloud()
        # A machine's own identity has neither: where its endpoint is, MSAL finds out.
        self._authority = _authority(cloud.authority, tenant_id) if tenant_id else ""
        self._published = settings.is_published(cloud.authority)
        self._resource = cloud.resource
        self._application_id = application_id

    def _ask(self) -> tuple[str, float]:
        started = time.time()
        outcome = self._outcome()
        if not isinstance(outcome, Exception) and "access_token" not in outcome:
            outcome = refused(outcome, self._secrets())
        if isinstance(outcome, Exception):
            # Raised here and bare: what it was raised from holds the request, and with it the
            # secret.
            outcome.__context__ = None
            raise outcome.with_traceback(None)
        return str(outcome["access_token"]), started + float(outcome.get("expires_in") or 600)

    def _outcome(self) -> dict[str, Any] | Exception:
        """MSAL's answer, or what went wrong, as this library tells it."""
        msal = _msal()
        try:
            with rest.sign_in_session() as session:
                return self._result(msal, session)
        except AuthenticationFailed as error:
            return error
        except requests.RequestException as error:
            asked = self._authority or getattr(error.request, "url", None) or ""
            return _retry.describe_connection_error(error, "sign-in", asked)
        except msal.managed_identity.ManagedIdentityError as error:
            return refused({"error_description": one_line(error)}, self._secrets())
        except (
            AttributeError,
            KeyError,
            TypeError,
            ValueError,
        ):  # what MSAL makes of JSON that it does not expect
            asked = self._authority or "the managed identity's endpoint"
            message = f"Sign-in failed: {asked} does not answer as Microsoft's sign-in does."
            return AuthenticationFailed(message, code="SignInFailed")

    def _made(self, kind: Callable[..., Any], session: Any, **more: Any) -> Any:
        """Return an MSAL application, which checks the tenant before a secret is sent."""
        try:
            return kind(
                self._application_id,
                authority=self._authority,
                instance_discovery=self._published,
                http_client=session,
                **more,
            )
        except (
            ValueError
        ):  # MSAL's word, in five lines, for a tenant that the authority does not know
            error = f"{self._authority} is no tenant's sign-in."
            raise refused({"error": "invalid_tenant", "error_description": error}) from None

    @property
    def _scopes(self) -> list[str]:
        return [self._resource + "/.default"]  # a resource that ends in / keeps it: // is meant

    def _secrets(self) -> list[str]:
        """Return what no message may hold."""
        return []

    def _result(self, msal: Any, session: Any) -> dict[str, Any]:
        """MSAL's answer."""
        raise NotImplementedError


class _ServicePrincipal(_ByMsal):
    """An application that signs in as itself."""

    def _result(self, msal: Any, session: Any) -> dict[str, Any]:
        credential = self._credential()
        application = self._made(
            msal.ConfidentialClientApplication, session, client_credential=credential
        )
        return application.acquire_token_for_client(self._scopes)  # type: ignore[no-any-return]

    def _ask(self) -> tuple[str, float]:
        # What is wrong with a file or a callable is told as it is, not as the sign-in's fault.
        self._credential()
        return super()._ask()

    def _credential(self) -> Any:
        """Return the client credential for MSAL."""
        raise NotImplementedError


class BySecret(_ServicePrincipal):
    """Tokens by an application's secret."""

    way = "client secret"

    def __init__(self, tenant_id: str, application_id: str, application_secret: str) -> None:
        super().__init__(tenant_id, application_id)
        self._secret = application_secret

    def _credential(self) -> str:
        return self._secret

    def _secrets(self) -> list[str]:
        return [self._secret]


class ByCertificate(_ServicePrincipal):
    """Tokens by an application's certificate; the file is read each time, as it may be replaced."""

    way = "client certificate"

    def __init__(
        self,
        tenant_id: str,
        application_id: str,
        certificate: str,
        password: str | None = None,
        public_chain: bool = False,
    ) -> None:
        super().__init__(tenant_id, application_id, certificate=certificate)
        self._file, self._password, self._public_chain = certificate, password, public_chain

    def _credential(self) -> dict[str, str]:
        key, chain, thumbprint = read_certificate(self._file, self._password)
        credential = {"private_key": key, "thumbprint": thumbprint}
        return credential | {"public_certificate": chain} if self._public_chain else credential

    def _secrets(self) -> list[str]:
        return [self._password] if self._password else []


class ByAssertion(_ServicePrincipal):
    """Tokens by what another issuer says of the application: workload identity, GitHub Actions."""

    way = "federated assertion"

    def __init__(
        self,
        tenant_id: str,
        application_id: str,
        assertion: str | Callable[[], str] = "",
        assertion_file: str | None = None,
    ) -> None:
        super().__init__(tenant_id, application_id, assertion_file=assertion_file)
        self._assertion, self._file = assertion, assertion_file
        self._given = ""

    def _ask(self) -> tuple[str, float]:
        if self._file is not None:
            self._given = read_text("assertion_file", self._file)
        else:
            self._given = self._assertion() if callable(self._assertion) else self._assertion
        if not isinstance(self._given, str) or self._given.count(".") != 2:
            raise ValueError("the assertion is no JSON Web Token (its file goes in assertion_file)")
        try:
            return super()._ask()
        finally:
            self._given = ""

    def _credential(self) -> dict[str, Any]:
        given = self._given
        return {"client_assertion": lambda: given}  # MSAL warns of one that is no callable

    def _secrets(self) -> list[str]:
        return [self._given] if self._given else []


class ByManagedIdentity(_ByMsal):
    """Tokens of the machine's own identity; where they come from, the environment says."""

    way = "managed identity"

    def __init__(
        self,
        application_id: str | None = None,
        object_id: str | None = None,
        resource_id: str | None = None,
    ) -> None:
        super().__init__("", "")
        self._identity = {
            "client_id": application_id,
            "object_id": object_id,
            "resource_id": resource_id,
        }
        self._shown = {
            "application_id": application_id,
            "object_id": object_id,
            "resource_id": resource_id,
        }

    def _result(self, msal: Any, session: Any) -> dict[str, Any]:
        session.trust_env = False  # it is on this machine, behind no proxy
        identity = {name: value for name, value in self._identity.items() if value}
        if msal.managed_identity.get_managed_identity_source() is msal.managed_identity.CLOUD_SHELL:
            return self._of_cloud_shell(msal, session, bool(identity))
        chosen = (
            msal.UserAssignedManagedIdentity(**identity)
            if identity
            else msal.SystemAssignedManagedIdentity()
        )
        client = msal.ManagedIdentityClient(chosen, http_client=session)
        try:
            return client.acquire_token_for_client(resource=self._resource)  # type: ignore[no-any-return]
        except OSError as error:
            if isinstance(error, requests.RequestException):
                raise
            raise AuthenticationFailed(
                f"Sign-in failed: {one_line(error)}", code="SignInFailed"
            ) from None

    def _of_cloud_shell(self, msal: Any, session: Any, named: bool) -> dict[str, Any]:
        if named:
            message = (
                "Sign-in failed: Cloud Shell has only the identity of the person in it: name no"
                " other."
            )
            raise AuthenticationFailed(message, code="SignInFailed")
        application = msal.PublicClientApplication(
            AZURE_CLI, instance_discovery=False, http_client=session
        )
        return application.acquire_token_interactive(self._scopes, prompt="none")  # type: ignore[no-any-return]

    def _secrets(self) -> list[str]:
        names = ("IDENTITY_HEADER", "MSI_SECRET")
        return [secret for name in names if (secret := os.environ.get(name))]


class _ByPerson(_ByMsal):
    """Tokens of a person, who signs in once; later ones come by a refresh token."""

    def __init__(
        self,
        tenant_id: str | None = None,
        application_id: str | None = None,
        cache_file: str | None = None,
    ) -> None:
        super().__init__(
            tenant_id or _ANY_TENANT, application_id or AZURE_CLI, cache_file=cache_file
        )
        self._cache_file, self._cached = cache_file, ""

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_cached": ""}

    def _result(self, msal: Any, session: Any) -> dict[str, Any]:
        cache = msal.SerializableTokenCache()
        cached = read_private(self._cache_file) if self._cache_file else self._cached
        try:
            cache.deserialize(cached or None)
        except ValueError:
            raise AuthenticationFailed(
                f"{self._cache_file} is no token cache: delete it", code="SignInFailed"
            ) from None
        application = self._made(msal.PublicClientApplication, session, token_cache=cache)
        result = self._silently(application)
        if "access_token" not in result:
            if (
                time.time() < self._kept.ends
            ):  # nobody is disturbed as long as the present token is good
                raise refused(result)
            result = self._in_person(application)
        self._keep(cache)
        return result

    def _silently(self, application: Any) -> dict[str, Any]:
        for account in application.get_accounts()[:1]:
            scopes, force = self._scopes, self._refused
            result = application.acquire_token_silent_with_error(
                scopes, account=account, force_refresh=force
            )
            return result or {}
        return {}

    def _keep(self, cache: Any) -> None:
        if not cache.has_state_changed:
            return
        if self._cache_file:
            write_private(self._cache_file, cache.serialize())
        else:
            self._cached = cache.serialize()

    def _in_person(self, application: Any) -> dict[str, Any]:
        """MSAL's answer once the person has signed in."""
        raise NotImplementedError


class ByBrowser(_ByPerson):
    """Tokens of a person who signs in with the browser of this machine."""

    way = "browser"

    def _in_person(self, application: Any) -> dict[str, Any]:
        try:
            return application.acquire_token_interactive(  # type: ignore[no-any-return]
                self._scopes, timeout=_PERSON_TIMEOUT, prompt="select_account"
            )
        except RuntimeError:  # MSAL's, when the time is over
            message = (
                f"Sign-in failed: nobody signed in at the browser within {_PERSON_TIMEOUT:.0f} s."
            )
            raise AuthenticationFailed(message, code="SignInTimeout") from None


class ByDeviceCode(_ByPerson):
    """Tokens of a person who signs in with any browser, by a code that is shown here."""

    way = "device code"

    def __init__(
        self,
        tenant_id: str | None = None,
        application_id: str | None = None,
        cache_file: str | None = None,
        device_code: Callable[[str], object] | None = None,
    ) -> None:
        super().__init__(tenant_id, application_id, cache_file)
        self._show = device_code

    def _in_person(self, application: Any) -> dict[str, Any]:
        flow = application.initiate_device_flow(self._scopes)
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
            result = application.acquire_token_by_device_flow(flow, exit_condition=lambda _: True)
            pending = result.get("error") in ("authorization_pending", "slow_down")
            if not pending or time.time() >= flow["expires_at"]:
                return dict(result)
            _clock.sleep(float(flow.get("interval", 5)))


def _authority(base: str, tenant_id: str) -> str:
    """Return the authority as MSAL expects it: https, with the tenant as its path.

    AD FS has no tenants, and is named instead.
    """
    if not base.startswith("https://"):
        raise ValueError(
            f"AZURE_AUTH_ENDPOINT must be https, not {base!r}: the secret would be readable on the"
            " way"
        )
    return base if base.lower().endswith("/adfs") else f"{base}/{tenant_id}"


def _msal() -> Any:
    """Import MSAL, which costs as much as all the rest, and keep answers out of its log."""
    import msal
    import msal.managed_identity

    answered = (
        "authority",
        "token_cache",
        "managed_identity",
        "cloudshell",
        "oauth2cli.authcode",
        "oauth2cli.oauth2",
    )
    for name in answered:
        logging.getLogger(f"msal.{name}").addFilter(_holds_no_answer)
    return msal


def _holds_no_answer(record: logging.LogRecord) -> bool:
    """Return whether a line of MSAL's log is a fixed text; others repeat answers and tokens."""
    return not record.args and not str(record.msg).startswith(("event=", "Token response"))
