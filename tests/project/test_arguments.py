"""Invalid arguments raise a `ValueError` that names the argument.

Every public function is called with every kind of value for each argument. It either accepts the
value, or raises a `ValueError` with the name of the argument.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import responses
from support.names import SUB

import azurerm_lite as az


class Anything:
    """A class that accepts any arguments."""

    def __init__(self, *given: Any, **named: Any) -> None:
        """Accept any arguments."""


_CIRCLE: dict[str, Any] = {}
_CIRCLE["itself"] = _CIRCLE

_RESPONSE = requests.Response()
_RESPONSE.status_code = 200

JUNK: dict[str, Any] = {
    "None": None,
    "True": True,
    "a number": 7,
    "a negative number": -1,
    "a fraction": 1.5,
    "not a number": float("nan"),
    "an empty string": "",
    "a string": "some text",
    "bytes": b"bytes",
    "an empty list": [],
    "a list of None": [None],
    "a list of numbers": [1, 2],
    "a list of objects": [{}],
    "a nested list": [[[]]],
    "an empty dict": {},
    "a dict": {"properties": None},
    "a dict of junk": {"properties": {"storageProfile": 7, "instanceView": 7}, "instanceId": 7},
    "an instance of junk": [{"instanceId": "0", "properties": 7, "zones": 7}],
    "a dict that JSON has not": {"properties": {"value": object()}},
    "a circle": _CIRCLE,
    "an image of junk": {"kind": "image_id", "image_id": 7},
    "a platform of junk": {"kind": "platform", "publisher": 7, "version": 7},
    "an object": object(),
    "a response": _RESPONSE,
    "a function": lambda *given: 7,
    "a class": Anything,
}

STORAGE = {
    "imageReference": {"publisher": "p", "offer": "o", "sku": "s", "version": "1.0.0"},
}
MODEL = {
    "name": "web",
    "location": "eastus",
    "properties": {"virtualMachineProfile": {"storageProfile": STORAGE}},
}
INSTANCE = {
    "instanceId": "0",
    "properties": {
        "storageProfile": STORAGE,
        "latestModelApplied": False,
        "instanceView": {"platformUpdateDomain": 0, "platformFaultDomain": 0},
    },
}
VALID: dict[str, Any] = {
    "access_token": "token",
    "subscription_id": SUB,
    "resource_group": "myrg",
    "vmss_name": "web",
    "vmss_body": MODEL,
    "model": MODEL,
    "instance": INSTANCE,
    "instances": [INSTANCE],
    "instance_id": "0",
    "instance_ids": ["0"],
    "image": {"kind": "platform", "publisher": "p", "offer": "o", "sku": "s", "version": "1.0.0"},
    "version": "1.0.1",
    "capacity": 3,
    "action": "restart",
    "script": "uptime",
    "size": 2,
    "from_scale_in": True,
    "targets": [(SUB, "myrg", "web")],
    "location": "eastus",
    "publisher": "p",
    "offer": "o",
    "sku": "s",
    "gallery_name": "g",
    "image_name": "i",
    "tenant_id": "t",
    "application_id": "a",
    "application_secret": "s",
    "url": "https://management.azure.com/x",
    "method": "GET",
    "path": "/x",
    "names": {},
    "api_version": "2024-11-01",
}
"""A valid value for each required argument."""
_REQUIRED_OPTIONS = {"set_image": {"version": "1.0.1"}, "protect_vmss_vm": {"from_scale_in": True}}


def _functions() -> dict[str, Callable[..., Any]]:
    found = {name: getattr(az, name) for name in az.__all__}
    found |= {f"rest.{name}": getattr(az.rest, name) for name in ("get", "get_list", "send", "url")}
    return {name: function for name, function in found.items() if inspect.isfunction(function)}


FUNCTIONS = _functions()
ARGUMENTS = [
    (name, argument)
    for name, function in FUNCTIONS.items()
    for argument in inspect.signature(function).parameters
]


def _finished_operation() -> requests.Response:
    """Return the response of an operation that has finished."""
    response = requests.Response()
    response.status_code = 200
    response.request = requests.Request("POST", "https://management.azure.com/x").prepare()
    response._content = b""
    return response


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, clock: object) -> Iterator[None]:
    """Make every request fail, as without a network."""
    monkeypatch.setenv("PATH", "")
    with responses.RequestsMock(assert_all_requests_are_fired=False):
        yield


def call(function: Callable[..., Any], argument: str, value: Any) -> None:
    """Call a function with junk for one argument; read the first item of an iterator."""
    parameters = inspect.signature(function).parameters
    arguments = {
        name: _finished_operation() if name == "response" else VALID[name]
        for name, parameter in parameters.items()
        if parameter.default is inspect.Parameter.empty
    }
    arguments |= _REQUIRED_OPTIONS.get(function.__name__, {})
    arguments[argument] = value
    result = function(**arguments)
    if isinstance(result, Iterator):
        next(result, None)


def problem(name: str, argument: str, value: Any) -> str:
    """Return the unexpected error of a function for a value; empty if there is none."""
    try:
        call(FUNCTIONS[name], argument, value)
    except (requests.ConnectionError, az.AzureError, az.RolloutHalted):
        return ""  # the value was accepted, and a request was sent
    except ValueError as error:
        text = str(error)
    except Exception as error:
        return repr(error)
    else:
        return ""
    # An argument of a sign-in may require another one, and a member of `names` may be invalid.
    parts = value if argument == "names" and isinstance(value, dict) else ()
    others = inspect.signature(FUNCTIONS[name]).parameters if name == "token_provider" else ()
    return "" if any(each in text for each in (argument, *parts, *others)) else text


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
def test_a_value_of_the_wrong_kind_is_a_value_error(name: str, argument: str) -> None:
    """The error names the argument, unless the value is accepted."""
    problems = {kind: problem(name, argument, value) for kind, value in JUNK.items()}
    assert not {kind: text for kind, text in problems.items() if text}
