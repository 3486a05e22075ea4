"""Run Command: start a script on an instance of either mode, and read its output."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from requests import Response

from . import _flexible, rest, settings
from .instances import parse_instance_id
from .types import CommandOutput, Token

COMMANDS = ("RunShellScript", "RunPowerShellScript")
"""Azure's commands that run the caller's script, on Linux and on Windows."""

_INSTANCE = (
    "/subscriptions/{subscription_id}/resourceGroups/{resource_group}/providers/Microsoft.Compute"
    "/virtualMachineScaleSets/{vmss_name}/virtualMachines/{instance_id}/runCommand"
)
# On Linux one message has both streams, on Windows each stream has its own status.
_STREAMS = re.compile(r"\[stdout\]\n(.*?)\n?\[stderr\]\n?(.*)", re.DOTALL)


def check(script: object, parameters: object, command_id: object) -> None:
    """Check the arguments of `run_command`.

    Args:
        script: Text of the script.
        parameters: Parameters of the script, `{name: value}`, or `None`.
        command_id: One of `COMMANDS`.

    Raises:
        ValueError: One of them is malformed.
    """
    if not isinstance(script, str) or not script.strip():
        raise ValueError("script must be the text of a script: a non-empty string")
    if command_id not in COMMANDS:
        raise ValueError(f"command_id must be one of {', '.join(COMMANDS)}, not {command_id!r}")
    pairs = parameters.items() if isinstance(parameters, Mapping) else [(None, None)]
    are_texts = all(isinstance(text, str) for pair in pairs for text in pair)
    if parameters is not None and not are_texts:
        # The message does not show the values: they may be secrets.
        raise ValueError("parameters must be a dict of strings, or None")


def start(
    access_token: Token,
    path: _flexible.SetPath,
    instance_id: str | int,
    script: str,
    parameters: Mapping[str, str] | None,
    command_id: str,
) -> Response:
    """Start a script on one instance.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        path: Subscription id, resource group and name of the set.
        instance_id: Instance id.
        script: Text of the script, checked.
        parameters: Parameters of the script, `{name: value}`.
        command_id: One of `COMMANDS`.

    Returns:
        A `requests.Response`; pass the result of its operation to `read_output`.
    """
    name = parse_instance_id(instance_id)
    body: dict[str, Any] = {"commandId": command_id, "script": script.splitlines()}
    if parameters:
        body["parameters"] = [
            {"name": parameter, "value": value} for parameter, value in parameters.items()
        ]
    if _flexible.is_member_name(name):
        url = _flexible.machine_url(path, name, "/runCommand")
    else:
        names = {**path._asdict(), "instance_id": name}
        url = rest.url(_INSTANCE, names, settings.COMPUTE_API)
    return rest.send(access_token, "POST", url, body)


def read_output(result: Any) -> CommandOutput:
    """Return the output of a script.

    Args:
        result: The result of the operation, as `wait` returns it.

    Returns:
        A tuple `(stdout, stderr)`, empty strings if Azure returned no output. A message in another
        form is returned as `stdout`.
    """
    statuses = result.get("value") if isinstance(result, Mapping) else None
    messages = {"stdout": "", "stderr": ""}
    for status in statuses if isinstance(statuses, list) else ():
        if not isinstance(status, Mapping):
            continue
        message = str(status.get("message") or "")
        code = str(status.get("code") or "").lower()
        streams = _STREAMS.search(message)
        if "/stderr" in code:
            messages["stderr"] += message
        elif streams and "/stdout" not in code:
            messages["stdout"] += streams[1]
            messages["stderr"] += streams[2]
        else:
            messages["stdout"] += message
    return CommandOutput(messages["stdout"].strip("\n"), messages["stderr"].strip("\n"))
