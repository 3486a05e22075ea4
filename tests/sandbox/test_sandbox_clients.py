"""Environment variables and commands that point other clients at the sandbox."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

import pytest

from azurerm_lite.sandbox import Sandbox
from azurerm_lite.sandbox.client_settings import CLIENTS, settings_for


@pytest.mark.parametrize("client", CLIENTS)
def test_each_client_gets_endpoint_ca_and_credentials(sandbox: Sandbox, client: str) -> None:
    """They are in the variables or in the commands."""
    settings = settings_for(client, sandbox)
    text = str(settings)
    for needed in (
        sandbox.url.removeprefix("https://"),
        sandbox.ca_file.replace("\\", "\\\\"),
        sandbox.application_secret,
        sandbox.tenant_id,
    ):
        assert needed in text
    assert "127.0.0.1" in settings.variables["NO_PROXY"]


def test_an_unknown_client_is_an_error(sandbox: Sandbox) -> None:
    """The error names the known clients."""
    with pytest.raises(ValueError, match=r"client must be one of python, az, .* got 'cobol'"):
        settings_for("cobol", sandbox)


def test_the_commands_of_az_are_three_lines(sandbox: Sandbox) -> None:
    """A secret that starts with a hyphen is not parsed as an option."""
    register, choose, login = settings_for("az", sandbox).commands
    assert shlex.split(register)[-2:] == ["--endpoint-resource-manager", sandbox.url]
    assert choose == "az cloud set --name sandbox"
    assert f"--password={sandbox.application_secret}" in shlex.split(login)


def test_the_command_line_prints_the_lines_of_a_client() -> None:
    """`python -m azurerm_lite.sandbox --for az` prints variables and commands."""
    command = [sys.executable, "-u", "-m", "azurerm_lite.sandbox", "--for", "az"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line.rstrip())
            if line.startswith("# resource group"):
                break
        process.terminate()
    setting = '$env:AZURE_CORE_INSTANCE_DISCOVERY = "false"'
    if os.name != "nt":
        setting = "export AZURE_CORE_INSTANCE_DISCOVERY='false'"
    assert setting in lines
    assert [line.partition(" --")[0] for line in lines if line.startswith("az ")] == [
        "az cloud register",
        "az cloud set",
        "az login",
    ]
