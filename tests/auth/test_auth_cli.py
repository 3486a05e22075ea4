"""Tokens of the Azure CLI.

A small script in place of `az` prints the same as the real one, errors included.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import responses

import azurerm_lite
from azurerm_lite.auth import _azure_cli as cli_module
from azurerm_lite.errors import AuthenticationFailed

TENANT = "11111111-1111-1111-1111-111111111111"
APPLICATION = "22222222-2222-2222-2222-222222222222"


class FakeCli:
    """An `az` on PATH that prints a configured text and logs its calls.

    On Windows it is an `az.cmd`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "calls"
        script = folder / "az.py"
        script.write_text(
            "import json, pathlib, sys, time\n"
            "folder = pathlib.Path(__file__).parent\n"
            "with open(folder / 'calls', 'a') as log: print(json.dumps(sys.argv[1:]), file=log)\n"
            "behaviour = json.loads((folder / 'behaviour').read_text())\n"
            "time.sleep(behaviour['hangs'])\n"
            "sys.stderr.write(behaviour['error'])\n"
            "sys.stdout.write(behaviour['printed'])\n"
            "sys.exit(behaviour['code'])\n"
        )
        if os.name == "nt":
            (folder / "az.cmd").write_text(f'@"{sys.executable}" -S -E "{script}" %*\n')
        else:
            (folder / "az").write_text(
                f'#!/bin/sh\nexec "{sys.executable}" -S -E "{script}" "$@"\n'
            )
            (folder / "az").chmod(0o755)
        self.says("")

    def says(self, printed: Any, code: int = 0, error: str = "", hangs: float = 0) -> None:
        """From now on print this text and exit with this code."""
        text = printed if isinstance(printed, str) else json.dumps(printed)
        (self.folder / "behaviour").write_text(
            json.dumps({"printed": text, "code": code, "error": error, "hangs": hangs})
        )

    @property
    def calls(self) -> list[list[str]]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [json.loads(line) for line in lines]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCli:
    """A folder with an `az`, first on PATH."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ.get('PATH', os.defpath)}")
    return FakeCli(tmp_path)


def cli_output(token: str, seconds: float | None = 3600) -> dict[str, Any]:
    """Return the output of `az account get-access-token`; older versions have no `expires_on`."""
    ends = datetime.fromtimestamp(time.time() + (3600 if seconds is None else seconds))
    answer = {"accessToken": token, "expiresOn": str(ends), "tenant": TENANT, "tokenType": "Bearer"}
    return answer if seconds is None else {**answer, "expires_on": int(time.time() + seconds)}


def test_the_cli_returns_its_token(cli: FakeCli, token: str) -> None:
    """`az` is called for JSON with the token of the signed-in account."""
    cli.says(cli_output(token), error="WARNING: a new version is out\n")
    assert azurerm_lite.get_access_token_from_cli() == token
    assert cli.calls == [["account", "get-access-token", "--output", "json"]]


@pytest.mark.parametrize(
    ("name", "call"),
    [
        (None, ["account", "show", "--output", "json"]),
        ("my sub", ["account", "show", "--subscription", "my sub", "--output", "json"]),
    ],
)
def test_the_cli_returns_a_subscription(name: str | None, call: list[str], cli: FakeCli) -> None:
    """`az` is called for the current subscription, or for the one with this name."""
    cli.says({"id": "sub-id", "name": "my sub", "tenantId": TENANT})
    assert azurerm_lite.get_subscription_from_cli(name) == "sub-id"
    assert cli.calls == [call]


@pytest.mark.skipif(os.name == "nt", reason="az.cmd is given no such name: see the next test")
def test_a_name_is_not_interpreted_by_a_shell(cli: FakeCli, tmp_path: Path) -> None:
    """Shell syntax in a name has no meaning."""
    cli.says({"id": "sub-id"})
    name = f"x; touch {tmp_path}/pwned $(touch {tmp_path}/pwned) `touch {tmp_path}/pwned`"
    azurerm_lite.get_subscription_from_cli(name)
    assert cli.calls == [["account", "show", "--subscription", name, "--output", "json"]]
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("name", ["", " ", 5])
def test_an_empty_subscription_name_is_a_value_error(name: Any) -> None:
    """It does not mean the current subscription."""
    with pytest.raises(ValueError, match="name must be"):
        azurerm_lite.get_subscription_from_cli(name)


@pytest.fixture(params=["token", "subscription", "provider"])
def calls_to_az(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Each function that calls the CLI."""
    ways: dict[str, Callable[[], str]] = {
        "token": azurerm_lite.get_access_token_from_cli,
        "subscription": azurerm_lite.get_subscription_from_cli,
        "provider": azurerm_lite.token_provider(),
    }
    return ways[request.param]


def test_a_missing_cli_is_an_error_with_advice(
    calls_to_az: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without `az` on PATH, the advice is to install it or to sign in differently."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        AuthenticationFailed, match=r"not on PATH: install it and run 'az login'"
    ) as caught:
        calls_to_az()
    assert caught.value.code == "CliNotFound"


def test_a_signed_out_cli_is_an_error_with_its_output(
    calls_to_az: Callable[[], str], cli: FakeCli
) -> None:
    """On one line, with advice at most once."""
    cli.says("", 1, "ERROR: Please run 'az login' to\n setup account.\n")
    with pytest.raises(AuthenticationFailed) as caught:
        calls_to_az()
    assert caught.value.code == "CliFailed"
    assert "ERROR: Please run 'az login' to setup account." in caught.value.message
    assert caught.value.message.count("az login") == 1


def test_a_failure_without_output_has_the_exit_status(cli: FakeCli) -> None:
    """There is nothing else to show, and no advice."""
    cli.says("", 3, "")
    with pytest.raises(AuthenticationFailed, match="exit status 3") as caught:
        azurerm_lite.get_access_token_from_cli()
    assert "az login" not in str(caught.value)


@pytest.mark.parametrize(
    "printed", ["", "garbage", "[]", "null", "5", "{}", '"text"', '{"other": 1}', '{"accessToken']
)
def test_unexpected_output_of_the_cli_is_an_error(
    printed: str, calls_to_az: Callable[[], str], cli: FakeCli
) -> None:
    """It is `AuthenticationFailed`, and the output is not shown."""
    cli.says(printed)
    with pytest.raises(AuthenticationFailed, match="printed no JSON object with"):
        calls_to_az()


def test_output_of_another_command_is_an_error(cli: FakeCli, token: str) -> None:
    """A subscription in place of a token, or the reverse; the token is not shown."""
    cli.says({"id": "sub-id"})
    with pytest.raises(AuthenticationFailed, match="printed no JSON object with"):
        azurerm_lite.get_access_token_from_cli()
    cli.says(cli_output(token))
    with pytest.raises(AuthenticationFailed, match="printed no JSON object with") as caught:
        azurerm_lite.get_subscription_from_cli()
    assert token not in str(caught.value)


def test_a_cli_that_hangs_is_stopped(cli: FakeCli, monkeypatch: pytest.MonkeyPatch) -> None:
    """For example an `az` that waits for input."""
    monkeypatch.setattr(cli_module, "TIMEOUT", 0.2)
    cli.says("", hangs=30)
    with pytest.raises(AuthenticationFailed, match=r"could not be run: .*timed out"):
        azurerm_lite.get_access_token_from_cli()


@pytest.mark.skipif(os.name == "nt", reason="a broken first line is POSIX's")
def test_a_cli_that_cannot_be_run_is_an_error(cli: FakeCli) -> None:
    """For example a broken installation."""
    (cli.folder / "az").write_text("#!/no/such/interpreter\n")
    with pytest.raises(AuthenticationFailed, match="az could not be run") as caught:
        azurerm_lite.get_access_token_from_cli()
    assert caught.value.code == "CliFailed"


def test_the_cli_is_used_until_a_service_principal_is_complete(
    cli: FakeCli, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With two of the three variables, the CLI is still used."""
    monkeypatch.setenv("AZURE_TENANT_ID", TENANT)
    monkeypatch.setenv("AZURE_CLIENT_ID", APPLICATION)
    cli.says(cli_output(token))
    assert azurerm_lite.token_provider()() == token
    assert len(cli.calls) == 1


@pytest.mark.parametrize(
    ("seconds", "calls"),
    [(3600, 1), (320, 1), (290, 1), (0, 3), (-60, 3), (None, 1)],
    ids=str,
)
def test_a_token_of_the_cli_is_cached_until_shortly_before_its_end(
    seconds: float | None, calls: int, cli: FakeCli, token: str
) -> None:
    """A valid token is not requested again, an expired one each time.

    It works with `expiresOn` and without both fields.
    """
    cli.says(cli_output(token, seconds))
    provider = azurerm_lite.token_provider()
    assert [provider() for _ in range(3)] == [token] * 3
    assert len(cli.calls) == calls


@pytest.mark.parametrize("ends", ["soon", "", None, [], {}, False, 0])
def test_an_invalid_expiry_of_a_token_is_ignored(ends: Any, cli: FakeCli, token: str) -> None:
    """An `expires_on` that is not a number counts as missing.

    The token is used anyway.
    """
    cli.says({**cli_output(token, None), "expires_on": ends})
    assert azurerm_lite.token_provider()() == token
    cli.says({**cli_output(token, None), "expiresOn": ends})
    provider = azurerm_lite.token_provider()
    assert [provider(), provider()] == [token] * 2
    assert len(cli.calls) == 2


def test_a_tenant_or_a_subscription_is_passed_to_the_cli(cli: FakeCli, token: str) -> None:
    """It selects one of several signed-in accounts."""
    cli.says(cli_output(token))
    assert azurerm_lite.token_provider(cli=True, subscription="my sub")() == token
    assert azurerm_lite.token_provider(TENANT, cli=True)() == token
    asked = ["account", "get-access-token"]
    assert [call[:-2] for call in cli.calls] == [
        [*asked, "--subscription", "my sub"],
        [*asked, "--tenant", TENANT],
    ]


@pytest.mark.parametrize("name", ['x" & calc', "%PATH%", "a^b", "a|b", "a>b", "two\nlines"])
def test_az_cmd_gets_no_special_characters_of_its_shell(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows always runs a .cmd in its shell.

    Such a name is rejected before anything runs.
    """
    monkeypatch.setattr(shutil, "which", lambda name: str(tmp_path / "az.cmd"))
    with pytest.raises(ValueError, match=r"az\.cmd does not accept a name that contains .*"):
        azurerm_lite.get_subscription_from_cli(name)


def test_an_az_in_the_current_folder_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows searches there first, and other users may be able to write there."""
    monkeypatch.setattr(shutil, "which", lambda name: "." + os.sep + "az.cmd")
    with pytest.raises(AuthenticationFailed, match="not on PATH"):
        azurerm_lite.get_access_token_from_cli()


def test_messages_of_the_cli_are_shown_without_tokens(cli: FakeCli) -> None:
    """A token in the CLI's output, as with --debug, is masked."""
    cli.says("", 1, "ERROR: got eyJhbGciOi.eyJpc3Mi.c2lnbmF0dXJl instead\n")
    with pytest.raises(AuthenticationFailed, match=r"got \*\*\* instead"):
        azurerm_lite.get_access_token_from_cli()


def test_the_plain_function_runs_the_cli_each_time(cli: FakeCli) -> None:
    """`get_access_token_from_cli` caches nothing.

    After another `az login` it returns the other token.
    """
    cli.says(cli_output("first"))
    first = azurerm_lite.get_access_token_from_cli()
    cli.says(cli_output("second"))
    assert (first, azurerm_lite.get_access_token_from_cli()) == ("first", "second")


ANSI_RESET = "\x1b[0m"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ANSI_RESET),
        (ANSI_RESET, ANSI_RESET),
        ("\x1b[34m", "\x1b[39;49;00m"),
        ("\ufeff", ""),
        ("The command is experimental.\n", ""),
        ("", "\nA newer version is out.\n"),
    ],
)
def test_output_around_the_json_is_ignored(
    cli: FakeCli, token: str, before: str, after: str
) -> None:
    """Colours, byte order marks, and lines of extensions and wrappers."""
    cli.says(before + json.dumps(cli_output(token)) + after)
    assert azurerm_lite.get_access_token_from_cli() == token


def test_az_is_run_without_colours(cli: FakeCli, token: str, tmp_path: Path) -> None:
    """The setting is in the environment, so that the command line is unchanged."""
    script = tmp_path / "az.py"
    script.write_text("import os\n" + script.read_text().replace(
        "sys.stdout.write(behaviour['printed'])",
        "sys.stdout.write(behaviour['printed'] * (os.environ['AZURE_CORE_NO_COLOR'] == 'true'))",
    ))  # fmt: skip
    cli.says(cli_output(token))
    assert azurerm_lite.get_access_token_from_cli() == token


DEAD_PROXY = (
    "ERROR: HTTPSConnectionPool(host='login.microsoftonline.com', port=443): Max retries exceeded"
    " with url: /organizations/v2.0/.well-known/openid-configuration (Caused by"
    " ProxyError('Cannot connect to proxy.', timeout('timed out')))"
)


@pytest.mark.parametrize(
    ("error", "has_advice"),
    [
        ("ERROR: AADSTS700082: The refresh token has expired.", True),
        ("ERROR: No subscription found. Run 'az account set' to select a subscription.", False),
        (DEAD_PROXY, False),
        (
            "ERROR: HTTPSConnectionPool(host='login.microsoftonline.com', port=443): timed out",
            False,
        ),
        ("ERROR: [Errno 28] No space left on device", False),
        ("ERROR: az: 'account' is misspelled or not recognized by the system.", False),
        ("ERROR: Please run 'az login' to setup account.", False),
    ],
)
def test_the_advice_to_sign_in_is_given_if_it_helps(
    cli: FakeCli, error: str, has_advice: bool
) -> None:
    """With a sign-in code; not for a network error, a full disk, or if az prints it itself."""
    cli.says("", code=1, error=error)
    with pytest.raises(AuthenticationFailed) as caught:
        azurerm_lite.get_access_token_from_cli()
    assert str(caught.value.message).endswith("Run 'az login'.") is has_advice


def test_an_account_without_a_subscription_is_an_error(cli: FakeCli) -> None:
    """`az login --allow-no-subscriptions` shows the tenant id as the subscription id."""
    cli.says({"id": TENANT, "tenantId": TENANT, "name": "N/A(tenant level account)"})
    with pytest.raises(AuthenticationFailed, match="a tenant without a subscription"):
        azurerm_lite.get_subscription_from_cli()


def test_a_token_of_another_cloud_is_rejected_before_it_is_sent(cli: FakeCli) -> None:
    """`az` may be configured for another cloud than the library."""
    claims = base64.urlsafe_b64encode(b'{"aud": "https://management.chinacloudapi.cn"}')
    cli.says(cli_output(f"e30.{claims.decode().rstrip('=')}.s"))
    with responses.RequestsMock() as wire:
        for access_token in (
            azurerm_lite.token_provider(cli=True),
            azurerm_lite.get_access_token_from_cli,
        ):
            with pytest.raises(
                AuthenticationFailed, match=r"a token for management\.chinacloudapi\.cn"
            ):
                azurerm_lite.list_subscriptions(access_token)
        assert len(wire.calls) == 0
