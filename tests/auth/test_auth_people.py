"""People user_of sign in with a device code or the browser, and the cache file of their sign-in."""

from __future__ import annotations

import html
import logging
import os
import pickle
import re
import threading
import time
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
from support.clock import Clock

import azurerm_lite as az
from azurerm_lite import _clock
from azurerm_lite.auth import _credential_files, _entra
from azurerm_lite.sandbox import Sandbox
from azurerm_lite.sandbox.entra.oauth import PERSON
from azurerm_lite.sandbox.entra.tokens import APPLICATION, TENANT

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no mode bits")


def user_of(provider: Callable[[], str]) -> str:
    """Return the user of a token that the sandbox accepts."""
    assert az.list_subscriptions(provider)
    claims = jwt.decode(provider(), options={"verify_signature": False})
    return f"{claims['upn']} {claims['appid']}"


class Person:
    """A person user_of reads a text.

    They enter the code in it during the third pause of the library.
    """

    def __init__(self, sandbox: Sandbox, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sandbox, self.clock, self.shown = sandbox, clock, []
        self.agrees, self.comes, self.pauses = True, True, 0
        began = time.time() - clock.now
        # MSAL warns of a pause that did not pass on the wall clock.
        monkeypatch.setattr(time, "time", lambda: began + clock.now)
        monkeypatch.setattr(_clock, "sleep", self.sleep)

    def show(self, text: str) -> None:
        self.shown.append(text)

    def sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds)
        self.pauses += 1
        if self.comes and self.pauses % 3 == 0:
            self.sandbox.enter_code(self.shown[-1], agreed=self.agrees)


@pytest.fixture
def person(sandbox: Sandbox, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Person:
    """A person with their own browser."""
    return Person(sandbox, clock, monkeypatch)


def grants(sandbox: Sandbox) -> int:
    """Return the number of token requests."""
    return len([entry for entry in sandbox.journal if entry.path.endswith("/token")])


# --- device code ---


def test_a_person_signs_in_by_a_code(person: Person, sandbox: Sandbox) -> None:
    """The text is shown once.

    The sign-in is polled at its interval until the person has entered the code.
    """
    provider = az.token_provider(TENANT, APPLICATION, device_code=person.show)
    assert user_of(provider) == f"{PERSON} {APPLICATION}"
    assert len(person.shown) == 1
    assert re.search(r"open the page https://.* and enter the code [0-9A-F]{8}", person.shown[0])
    assert person.clock.slept == [5.0, 5.0, 5.0]
    assert grants(sandbox) == 4


def test_the_default_is_the_azure_clis_application_in_the_home_tenant(
    person: Person,
    sandbox: Sandbox,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No registration is needed; the text is printed to standard error."""

    def sleep(seconds: float) -> None:
        person.clock.sleep(seconds)
        sandbox.enter_code(capsys.readouterr().err)

    monkeypatch.setattr(_clock, "sleep", sleep)
    assert user_of(az.token_provider(device_code=True)) == f"{PERSON} {_entra.AZURE_CLI}"
    assert capsys.readouterr() == ("", "")
    assert any(entry.path.startswith("/organizations/") for entry in sandbox.journal)


def test_a_declined_sign_in_is_an_error(person: Person) -> None:
    """Nothing more is sent."""
    person.agrees = False
    with pytest.raises(az.AuthenticationFailed, match="Consent was declined") as caught:
        az.token_provider(device_code=person.show)()
    assert caught.value.code == "AADSTS65004"


def test_a_code_that_is_not_entered_expires(person: Person) -> None:
    """After 15 minutes, as the sign-in states."""
    person.comes = False
    with pytest.raises(
        az.AuthenticationFailed, match="The code expired before anyone signed in"
    ) as caught:
        az.token_provider(device_code=person.show)()
    assert caught.value.code == "AADSTS70019"
    assert sum(person.clock.slept) == 900


def test_a_rejected_application_is_an_error(person: Person) -> None:
    """Before there is a code."""
    with pytest.raises(az.AuthenticationFailed, match="Check the application id"):
        az.token_provider(TENANT, "an-unknown-application", device_code=person.show)()
    assert person.shown == []


def test_a_person_signs_in_once_and_not_at_each_renewal(person: Person, sandbox: Sandbox) -> None:
    """Later tokens come from the refresh token.

    If that is revoked, the person must sign in when the token expires.
    """
    provider = az.token_provider(device_code=person.show)
    first = provider()
    person.clock.sleep(3400)
    second = provider()
    assert second != first
    assert len(person.shown) == 1
    sandbox.sign_out()
    person.clock.sleep(3400)
    assert provider() == second
    assert len(person.shown) == 1
    person.clock.sleep(300)
    assert provider() not in (first, second)
    assert len(person.shown) == 2


def test_a_rejected_token_is_not_read_from_msals_cache(person: Person, sandbox: Sandbox) -> None:
    """The refresh token returns a new one."""
    provider = az.token_provider(device_code=person.show)
    first = provider()
    sandbox.fail_next(401, code="ExpiredAuthenticationToken")
    assert az.list_subscriptions(provider)
    assert provider() != first
    assert len(person.shown) == 1


def test_a_pickle_contains_neither_token_nor_refresh_token(person: Person) -> None:
    """In another process the person must sign in again, or the file is needed."""
    provider = az.token_provider(device_code=True)
    provider._show = None  # type: ignore[attr-defined]
    provider.__setstate__(provider.__getstate__() | {"_cache_text": "canary"})  # type: ignore[attr-defined]
    assert b"canary" not in pickle.dumps(provider)


# --- cache file ---


def test_a_cache_file_replaces_the_next_sign_in(
    person: Person, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Another provider, as in another process.

    It uses the token in the file, and then the refresh token.
    """
    file = tmp_path / "deep" / "down" / "cache.json"
    first = az.token_provider(device_code=person.show, cache_file=file)()
    asked = grants(sandbox)
    assert az.token_provider(device_code=person.show, cache_file=file)() == first
    assert grants(sandbox) == asked
    person.clock.sleep(3600)
    assert az.token_provider(browser=True, cache_file=str(file))() != first
    assert grants(sandbox) == asked + 1
    assert len(person.shown) == 1
    assert [path.name for path in file.parent.iterdir()] == ["cache.json"]


@posix
def test_only_the_owner_may_read_the_cache_file(
    person: Person, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """From its creation, in a folder that is private as well.

    A readable file is made private, with a warning.
    """
    file = tmp_path / "folder" / "cache.json"
    provider = az.token_provider(device_code=person.show, cache_file=file)
    before = os.umask(0)
    try:
        token = provider()
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    file.chmod(0o644)
    assert az.token_provider(device_code=person.show, cache_file=file)() == token
    assert file.stat().st_mode & 0o777 == 0o600
    assert "was readable by others" in caplog.text


def test_a_file_that_is_not_a_cache_is_an_error(person: Person, tmp_path: Path) -> None:
    """And the file is unchanged."""
    file = tmp_path / "notes.txt"
    file.write_text("my notes")
    file.chmod(0o600)
    with pytest.raises(
        az.AuthenticationFailed, match=r"notes\.txt is not a token cache: delete it"
    ):
        az.token_provider(device_code=person.show, cache_file=file)()
    assert file.read_text() == "my notes"


def test_a_file_that_cannot_be_written_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The incomplete file is removed, the old one is kept."""
    file = tmp_path / "cache.json"
    _credential_files.write_private(str(file), "old")

    def full(self: Path, target: Path) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="full"):
        _credential_files.write_private(str(file), "new")
    assert [path.name for path in tmp_path.iterdir()] == ["cache.json"]
    assert file.read_text() == "old"


# --- browser ---


class Browser:
    """A browser that opens the sign-in page and presses its button."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox, self.opened = sandbox, []
        self.threads: list[threading.Thread] = []

    def open(self, url: str, *_: Any) -> bool:
        self.opened.append(url)
        self.threads.append(threading.Thread(target=self.press, args=(url,)))
        self.threads[-1].start()
        return True

    def press(self, url: str) -> None:
        page = requests.get(url, timeout=10).text
        ((method, target),) = re.findall(r'method="(\w+)" action="([^"]*)"', page)
        fields = {
            name: html.unescape(value)
            for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', page)
        }
        sent = {"data": fields} if method == "post" else {"params": fields}
        requests.request(method, html.unescape(target), timeout=10, **sent)  # type: ignore[arg-type]


@pytest.fixture
def browser(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Browser:
    """The browser of this machine."""
    from msal.oauth2cli import authcode

    browser = Browser(sandbox)
    monkeypatch.setenv("BROWSER", "one-that-is-not-there")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setattr(webbrowser, "open", browser.open)
    monkeypatch.setattr(
        authcode, "_is_inside_docker", lambda: False
    )  # otherwise it would listen on all interfaces
    return browser


def test_a_person_signs_in_at_the_browser(
    browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    """The code is sent to this machine and exchanged with its proof (PKCE); no log has it."""
    caplog.set_level(logging.DEBUG)
    provider = az.token_provider(TENANT, APPLICATION, browser=True)
    assert user_of(provider) == f"{PERSON} {APPLICATION}"
    for thread in browser.threads:
        thread.join(10)
    (url,) = browser.opened
    assert "code_challenge=" in url
    assert "Got auth response" not in caplog.text


def test_a_missing_sign_in_at_the_browser_is_an_error(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After five minutes, here sooner."""
    monkeypatch.setattr(_entra, "_PERSON_TIMEOUT", 0.1)
    monkeypatch.setattr(browser, "press", lambda url: None)
    with pytest.raises(az.AuthenticationFailed, match="no sign-in with the browser") as caught:
        az.token_provider(browser=True)()
    assert caught.value.code == "SignInTimeout"
