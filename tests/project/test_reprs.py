"""No repr shows a token or a secret, because debuggers and crash reports print reprs."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import requests
from support.names import BASE, SUB

import azurerm_lite as az
from azurerm_lite import rest
from azurerm_lite.auth import _entra
from azurerm_lite.fleet.rate_limit import RateLimitedRequests
from azurerm_lite.operations import Operation
from azurerm_lite.rollout.options import RolloutOptions
from azurerm_lite.rollout.state import RolloutState, ScaleSetRef

SECRET = "canary~s3cret"
MODEL = {"properties": {"virtualMachineProfile": {"osProfile": {"adminPassword": SECRET}}}}


def response() -> requests.Response:
    """Return the response to a write, like `send`."""
    made = requests.Response()
    made.status_code = 202
    made.request = requests.Request("PUT", f"{BASE}/x").prepare()
    return made


def state(access_token: Any) -> RolloutState:
    """Return the state of a rollout of a model with a password."""
    scale_set = ScaleSetRef(access_token, SUB, "myrg", "web")
    made = RolloutState(scale_set, RolloutOptions(dry_run=MODEL))
    made.model = MODEL  # type: ignore[assignment]
    return made


HOLDERS = {
    "scale set": lambda: ScaleSetRef(SECRET, SUB, "myrg", "web"),
    "run": lambda: state(SECRET),
    "options": lambda: RolloutOptions(dry_run=MODEL),
    "operation": lambda: Operation(SECRET, response()),
    "bearer": lambda: rest._Bearer("canary-s3cret"),
    "session": lambda: rest.session,
    "hooks": lambda: RateLimitedRequests(SUB, "eastus"),
    "rollout": lambda: az.rollout(SECRET, SUB, "myrg", "web"),
    "rollback": lambda: az.rollback(SECRET, SUB, "myrg", "web"),
    "fleet": lambda: az.rollout_fleet(SECRET, [(SUB, "myrg", "web")]),
    "client secret": lambda: _entra.SecretProvider("t", "a", SECRET),
    "password": lambda: _entra.CertificateProvider("t", "a", "file", SECRET),
    "assertion": lambda: _entra.AssertionProvider("t", "a", SECRET),
    "credential": lambda: rest._ChallengedCredential(object(), SECRET),
}


@pytest.mark.parametrize("kind", HOLDERS)
def test_no_repr_shows_a_secret(kind: str) -> None:
    """This covers the object, its text, and a list with the object."""
    holder = HOLDERS[kind]()
    shown = f"{holder} {holder!r} {[holder]}"
    assert "s3cret" not in shown


def test_a_provider_with_a_token_does_not_show_or_pickle_it() -> None:
    """Other processes receive its credentials, but not its token."""
    provider = _entra.SecretProvider("t", "a", "secret")
    provider._cached = provider._cached._replace(token=SECRET, renew_at=2**40, expires_at=2**40)
    assert provider() == SECRET
    assert SECRET not in f"{provider!r} {vars(provider)!r}"
    assert SECRET.encode() not in pickle.dumps(provider)


def test_a_run_with_a_token_is_not_pickled() -> None:
    """The error does not show the token."""
    with pytest.raises(ValueError, match="access_token") as caught:
        pickle.dumps(state(SECRET))
    assert SECRET not in str(caught.value)
