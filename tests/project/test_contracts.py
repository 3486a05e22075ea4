"""The whole library: names, layers, imports, docstrings, and properties of every request."""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import logging
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
import requests
import responses
from hypothesis import given
from hypothesis import strategies as st
from support.clock import Clock
from support.names import BASE, value_id
from support.wrappers import NAMES, WRAPPERS, Wrapper, azure, for_each_wrapper

import azurerm_lite as az
from azurerm_lite import _clock, errors

PACKAGE = Path(az.__file__).parent

IDENTITY = ["access_token", "subscription_id", "resource_group", "vmss_name"]

# First words of the docstrings of shared parameters; a function may add more.
SHARED = {
    "access_token": "Bearer token, or a zero-argument callable that returns one",
    "subscription_id": "Subscription id.",
    "resource_group": "Resource group name",
    "vmss_name": "Scale set name.",
    "instance_id": "Instance id, as a string or a whole number.",
    "instance_ids": "One instance id or several (strings or whole numbers)",
    "if_match": "The etag that the scale set must still have; `None` for ",
    "location": "Region, such as `westeurope`.",
    "publisher": "Publisher, such as `Canonical`.",
    "offer": "Offer of the publisher.",
    "tenant_id": "Tenant (directory) id or domain name.",
    "application_id": "Application (client) id.",
}
ANNOTATED = {
    "access_token": "Token",
    "subscription_id": "str",
    "resource_group": "str",
    "vmss_name": "str",
}

ACTIONS = {
    "start_vmss",
    "restart_vmss",
    "poweroff_vmss",
    "stopdealloc_vmss",
    "reimage_vmss",
    "redeploy_vmss",
}
# Options that are positional by design.
POSITIONAL_OPTIONS = {
    **{action: {"instance_ids"} for action in ACTIONS},
    "get_subscription_from_cli": {"name"},
    "token_provider": {"tenant_id", "application_id", "application_secret"},
}
NOT_ONE_REQUEST = {
    *("wait", "rollout", "rollout_fleet", "rollback", "roll", "follow_rolling_upgrade"),
    *("run_command", "newest_image_version", "image_drift", "find_image_drift"),
}

PACKAGES = ("", "auth", "rollout", "fleet")
FILES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for folder in PACKAGES
    for path in (PACKAGE / folder).glob("*.py")
}
MODULES = sorted(FILES)
FUNCTIONS = {
    name: getattr(az, name) for name in az.__all__ if inspect.isfunction(getattr(az, name))
}
SENDING = {
    name for name in FUNCTIONS if "access_token" in inspect.signature(FUNCTIONS[name]).parameters
} | {name for name in FUNCTIONS if FUNCTIONS[name].__module__ == "azurerm_lite.auth"}

every_module = pytest.mark.parametrize("module", MODULES)
every_function = pytest.mark.parametrize("name", FUNCTIONS)


@cache
def parse(module: str) -> ast.Module:
    """Return the syntax tree of a module of the library."""
    return ast.parse(FILES[module].read_text(encoding="utf-8"))


def imports_of(module: str) -> Iterator[tuple[str, str]]:
    """Yield all imports of a module, at any place in it, as (module, name).

    `from . import rest` is `(".rest", "")`, `from .types import Token` is `(".types", "Token")`.
    """
    inside = FILES[module].relative_to(PACKAGE).parts[:-1]
    for node in ast.walk(parse(module)):
        if isinstance(node, ast.Import):
            yield from ((alias.name.replace("azurerm_lite.", "."), "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            around = inside[: len(inside) - node.level + 1] if node.level else ()
            source = "." * bool(node.level) + ".".join(filter(None, (*around, node.module)))
            source = re.sub(r"^azurerm_lite\b\.?", ".", source)
            for alias in node.names:
                if node.level and not node.module:
                    yield f"{source.rstrip('.')}.{alias.name}", ""
                else:
                    yield source, alias.name


def sections(function: Callable[..., Any]) -> dict[str, str]:
    """Return the sections of a docstring by name; `""` is the text before the first one."""
    parts = re.split(
        r"^(Args|Returns|Raises|Azure):", inspect.getdoc(function) or "", flags=re.MULTILINE
    )
    names = parts[1::2]
    assert len(names) == len(set(names)), "a section occurs twice"
    return {"": parts[0].strip(), **dict(zip(names, parts[2::2], strict=True))}


def entries(section: str) -> dict[str, str]:
    """Return the entries of an Args or Raises section: name, and text on one line."""
    found = re.findall(r"^    (\S[^:]*): (.*(?:\n {8,}.*)*)", section, flags=re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


# Names


def test_all_is_sorted_and_has_the_imported_names() -> None:
    """`__all__` has exactly the names that `__init__` imports."""
    outside = {"TYPE_CHECKING", "Any", "importlib"}  # needed for the lazy names
    names = {
        alias.asname or alias.name
        for node in ast.walk(parse("__init__"))
        for alias in getattr(node, "names", [])
    }
    assert az.__all__ == sorted(names - outside)
    for name, function in FUNCTIONS.items():
        home = importlib.import_module(function.__module__)
        assert getattr(home, name) is function


@pytest.mark.parametrize("name", sorted(az._LAZY))
def test_a_lazy_name_is_the_one_of_its_module(name: str) -> None:
    """It is the same object, and `dir()` lists it."""
    home = importlib.import_module(f"azurerm_lite.{az._LAZY[name]}")
    assert getattr(az, name) is getattr(home, name)
    assert name in dir(az)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """This is the same as for any module."""
    with pytest.raises(AttributeError, match="no attribute 'get_vms'"):
        getattr(az, "get_vms")  # noqa: B009 - type checkers would reject the name


# Layers


def test_modules_import_only_from_lower_layers() -> None:
    """setup.cfg has the layers: allowed imports, and the layer of every module."""
    pytest.importorskip(
        "importlinter", reason="import-linter comes with the extra dev; .ci/run has it"
    )
    # Run in a child process, because import-linter disables all loggers.
    code = "import importlinter.cli as cli; raise SystemExit(cli.lint_imports('setup.cfg'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PACKAGE.parent,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@every_module
def test_only_rest_sends_requests(module: str) -> None:
    """Other modules use only the types and exceptions of `requests`."""
    package = module.split(".", maxsplit=1)[0]
    names = {name for source, name in imports_of(module) if source.split(".")[0] == "requests"}
    if package not in ("rest", "_retry", "errors", "auth"):
        assert names <= {"Response"}
    if module not in ("rest", "_retry", "_urls"):
        senders = {"httpx", "http.client", "urllib.request", "urllib3"}
        assert not {source for source, _ in imports_of(module)} & senders
    if module not in ("rest", "_retry"):
        for attribute in attributes_of_requests(module):
            used = getattr(requests, attribute)
            assert inspect.isclass(used), f"requests.{attribute}"
            assert issubclass(used, (Exception, requests.Response)), f"requests.{attribute}"


def attributes_of_requests(module: str) -> set[str]:
    """Return the attributes of `requests` that a module uses."""
    return {
        node.attr
        for node in ast.walk(parse(module))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "requests"
    }


@every_module
def test_only_the_clock_sleeps(module: str) -> None:
    """All sleeps use one function, which tests replace."""
    nodes = ast.walk(parse(module))
    code = [
        ast.unparse(node) for node in nodes if isinstance(node, (ast.Attribute, ast.ImportFrom))
    ]
    is_sleep = re.compile(r"time\.sleep$|from (time|asyncio) import .*sleep")
    found = [text for text in code if is_sleep.match(text)]
    assert found == (["time.sleep"] if module == "_clock" else [])


def test_importing_the_package_loads_nothing_heavy() -> None:
    """Beyond `import requests` it loads no MSAL, no extra and no slow module."""
    heavy = [
        "msal",
        "werkzeug",
        "trustme",
        "rich",
        "cryptography",
        "azurerm_lite.sandbox",
        "azurerm_lite.compat",
    ]
    heavy += [
        "azurerm_lite.rollout.run",
        "azurerm_lite.fleet.scheduler",
        "concurrent.futures",
        "dataclasses",
        "html",
        "inspect",
        "subprocess",
        "textwrap",
        "uuid",
    ]
    code = "import requests, sys; there = set(sys.modules); import azurerm_lite; "
    code += f"print([name for name in {heavy!r} if name in sys.modules and name not in there])"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_the_package_is_marked_as_typed() -> None:
    """Without `py.typed`, type checkers would treat it as untyped."""
    assert (PACKAGE / "py.typed").is_file()


# Signatures and docstrings


@every_function
def test_shared_parameters_come_first_in_the_same_order(name: str) -> None:
    """Token, subscription, group and name are positional, with the same types."""
    parameters = inspect.signature(FUNCTIONS[name]).parameters
    leading = [parameter for parameter in IDENTITY if parameter in parameters]
    assert list(parameters)[: len(leading)] == leading
    assert "vmss_name" not in leading or leading == IDENTITY
    for parameter in leading:
        assert parameters[parameter].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        assert parameters[parameter].default is inspect.Parameter.empty
        assert parameters[parameter].annotation == ANNOTATED[parameter]


@every_function
def test_options_are_keyword_only(name: str) -> None:
    """Callers must name parameters that have a default; no function has `*args`."""
    for parameter in inspect.signature(FUNCTIONS[name]).parameters.values():
        assert parameter.kind in (
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            inspect.Parameter.KEYWORD_ONLY,
        )
        optional = parameter.default is not inspect.Parameter.empty
        named = parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert named == (optional and parameter.name not in POSITIONAL_OPTIONS.get(name, ())), (
            parameter
        )


@every_function
def test_docstrings_are_complete(name: str) -> None:
    """They have a summary, all arguments in order, the result and Azure's operation."""
    function = FUNCTIONS[name]
    signature = inspect.signature(function)
    found = sections(function)
    summary, _, more = found[""].partition("\n")
    assert re.fullmatch(r"[A-Z].*[.:]", summary)
    assert more == "" or more.startswith("\n"), "the summary is one line"
    assert list(entries(found.get("Args", ""))) == list(signature.parameters)
    assert found["Returns"].strip()
    assert ("Azure" in found) == (name in SENDING)
    assert found.get("Azure", ".").rstrip().endswith((".", ")"))
    order = [section for section in ("", "Args", "Returns", "Raises", "Azure") if section in found]
    assert list(found) == order


@every_function
def test_shared_parameters_have_the_same_description(name: str) -> None:
    """A function may add to the description."""
    for parameter, text in entries(sections(FUNCTIONS[name]).get("Args", "")).items():
        assert text.startswith(SHARED.get(parameter, "")), parameter
        assert text.endswith((".", ".)")), parameter


@every_function
def test_errors_in_docstrings_exist(name: str) -> None:
    """Each name under Raises is an exception; functions that send list one of Azure's errors."""
    documented = entries(sections(FUNCTIONS[name]).get("Raises", ""))
    kinds = [kind for kinds in documented for kind in kinds.split(", ")]
    for kind in kinds:
        module, _, error = kind.rpartition(".")
        home = requests if module == "requests" else az
        found = getattr(home, error, None) or getattr(errors, error, None)
        found = found or getattr(builtins, error, None)
        assert isinstance(found, type), kind
        assert issubclass(found, Exception), kind
    if name in SENDING and name != "token_provider":
        assert {"AzureError", "AuthenticationFailed", "FleetHalted"} & set(kinds)


@every_module
def test_every_public_function_has_annotations_and_a_docstring(module: str) -> None:
    """Parameters and result are annotated; the docstring lists all arguments or none."""
    home = importlib.import_module("azurerm_lite" + ("" if module == "__init__" else f".{module}"))
    for name, function in vars(home).items():
        if (
            name.startswith("_")
            or not inspect.isfunction(function)
            or function.__module__ != home.__name__
        ):
            continue
        signature = inspect.signature(function)
        assert signature.return_annotation is not inspect.Signature.empty, name
        assert all(
            parameter.annotation is not inspect.Parameter.empty
            for parameter in signature.parameters.values()
        ), name
        found = sections(function)
        assert found[""], name
        assert list(entries(found.get("Args", ""))) in ([], list(signature.parameters)), name


# Every function that makes a request


def test_every_function_that_sends_is_in_the_table_of_wrappers() -> None:
    """The tests below check only the functions in the table."""
    wrappers = {
        name for name in SENDING if "access_token" in inspect.signature(FUNCTIONS[name]).parameters
    }
    assert {row.function for row in WRAPPERS} == wrappers - NOT_ONE_REQUEST
    assert {row.module for row in WRAPPERS} == {"vmss", "images", "subscriptions", "fleet"}


@for_each_wrapper()
def test_each_request_has_timeouts_and_an_id_and_follows_no_redirect(
    row: Wrapper, token: str, clock: Clock
) -> None:
    """It also has a user agent, an API version, and TLS verification."""
    with azure() as wire:
        wire.add(
            row.method,
            re.compile(""),
            status=row.status,
            **({} if row.json is None else {"json": row.json}),
        )
        row.call(token)
        (call,) = wire.calls
        request = call.request
    connect, read = request.req_kwargs["timeout"]
    assert 0 < connect <= 60
    assert 0 < read <= 300
    assert request.req_kwargs["verify"] is True
    assert str(request.url).startswith(BASE + "/")
    assert uuid.UUID(request.headers["x-ms-client-request-id"])
    assert request.headers["User-Agent"].startswith(f"azurerm-lite/{az.__version__} ")
    assert dict(parse_qsl(urlsplit(str(request.url)).query))["api-version"] >= "2018-10-01"


@for_each_wrapper()
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, az.AzureError),
        (400, az.AzureError),
        (401, az.AuthenticationFailed),
        (403, az.AzureError),
        (404, az.NotFound),
        (409, az.Conflict),
        (412, az.PreconditionFailed),
        (429, az.Throttled),
        (500, az.AzureError),
        (503, az.Throttled),
    ],
)
def test_an_error_response_raises_an_exception_with_azures_message(
    row: Wrapper,
    status: int,
    kind: type[az.AzureError],
    token: str,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its type matches the status; it has all details of the response, and never the token."""
    caplog.set_level(logging.DEBUG)
    body = {
        "error": {
            "code": "SomeCode",
            "message": "Azure says why.",
            "details": [{"code": "Inner", "message": "m"}],
        }
    }
    headers = {"x-ms-request-id": "req-1"}
    headers |= {
        302: {"Location": f"{BASE}/elsewhere"},
        429: {"Retry-After": "3"},
        503: {"Retry-After": "3"},
    }.get(status, {})
    with azure() as wire:
        wire.add(row.method, re.compile(""), status=status, json=body, headers=headers)
        with pytest.raises(az.AzureError) as caught:
            row.call(token)
        tries = len(wire.calls)
    error = caught.value
    assert type(error) is kind
    path = urlsplit(row.url()).path
    facts = f"SomeCode, HTTP {status}, request req-1, {row.method} {path}"
    assert str(error) == f"Azure says why. Details: Inner: m ({facts})"
    assert (error.status_code, error.code, error.request_id, error.method) == (
        status,
        "SomeCode",
        "req-1",
        row.method,
    )
    assert error.url == BASE + path
    assert error.details == ({"code": "Inner", "message": "m"},)
    repeated = status in (429, 503) or (status == 500 and row.method in ("GET", "PUT", "DELETE"))
    # get_instance_views then checks whether the set is Flexible.
    extra = row.function == "get_instance_views" and status == 400
    attempts = 5 if repeated else 1
    assert tries == attempts + extra
    assert len(clock.slept) == attempts - 1
    assert status not in (429, 503) or all(3 <= pause <= 10 for pause in clock.slept)
    shown = [
        caplog.text,
        str(error),
        repr(error),
        repr(vars(error)),
        str(error.response.request.headers),
    ]
    assert not [text for text in shown if token in text]


def outcome(row: Wrapper, token: str) -> Any:
    """Return the result of a call, or of `wait` after a write or an action."""
    result = row.call(token)
    return az.wait(token, result) if isinstance(result, requests.Response) else result


@for_each_wrapper()
def test_an_answer_that_is_not_from_azure_is_an_error(
    row: Wrapper, token: str, clock: Clock
) -> None:
    """The HTML page of a proxy is never returned as a resource."""
    with azure() as wire:
        wire.add(
            row.method,
            re.compile(""),
            status=200,
            body="<html>Sign in</html>",
            content_type="text/html",
        )
        with pytest.raises(az.AzureError, match="The response is not JSON") as caught:
            outcome(row, token)
    assert caught.value.code == "InvalidResponse"


hostile_names = st.sampled_from(
    [
        *(
            "a/b?c#d..%2f",
            ".",
            "..",
            "...",
            "../..",
            "%2e%2e",
            "%2F",
            "a\\..\\b",
            "a;b=c",
            "a&b=c",
            "?",
            "#",
            "/",
            "//x",
        ),
        *(
            "@evil.example",
            ":443",
            "{vmss_name}",
            "%",
            "%%",
            "*",
            "~",
            "a b",
            " ",
            "",
            "\n",
            "a\r\nX: y",
            "\x00",
            "é",
            "网",
        ),
        *("\ud800", "\u2028", "/../../subscriptions", "http://evil.example/"),
    ]
) | st.text(max_size=12)


@for_each_wrapper()
@given(hostile=hostile_names)
def test_a_hostile_name_never_leaves_its_segment(row: Wrapper, hostile: str) -> None:
    """It is rejected before anything is sent, or stays in its own segment of the path."""
    names = {name: hostile if name != "instance_id" else value for name, value in NAMES.items()}
    with responses.RequestsMock(assert_all_requests_are_fired=False) as wire:
        wire.add(
            row.method,
            re.compile(""),
            status=row.status,
            **({} if row.json is None else {"json": row.json}),
        )
        if "{" not in row.path or (
            hostile not in (".", "..") and hostile.strip() and hostile.isprintable()
        ):
            row.call("token", names)
        else:
            with pytest.raises(ValueError, match="must be a name"):
                row.call("token", names)
            assert not wire.calls
            return
        (call,) = wire.calls
    parts = urlsplit(str(call.request.url))
    assert f"{parts.scheme}://{parts.netloc}" == BASE
    assert [unquote(segment) for segment in parts.path.split("/")] == [
        segment.format_map(names) for segment in row.path.split("/")
    ]
    assert dict(parse_qsl(parts.query)) == {**row.query, "api-version": row.api}
    assert not parts.fragment


@for_each_wrapper()
@pytest.mark.parametrize(
    "access_token", [None, "", "a b", "a\nb", b"bytes", 3, lambda: None], ids=value_id
)
def test_an_invalid_token_is_rejected_before_anything_is_sent(
    row: Wrapper, access_token: Any, clock: Clock
) -> None:
    """An empty token or one with a line break raises a `ValueError` that does not show it."""
    with azure(expects_requests=False), pytest.raises(ValueError, match="access_token") as caught:
        row.call(access_token)
    assert (
        not isinstance(access_token, str)
        or not access_token
        or access_token not in str(caught.value)
    )


@for_each_wrapper()
def test_the_token_is_sent_only_to_the_configured_cloud(
    row: Wrapper, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each function reads the endpoint when it is called."""
    monkeypatch.setenv("AZURE_RM_ENDPOINT", "https://management.usgovcloudapi.net/")
    with azure() as wire:
        wire.add(
            row.method,
            re.compile(""),
            status=row.status,
            **({} if row.json is None else {"json": row.json}),
        )
        row.call(token)
        (call,) = wire.calls
    assert call.request.url == row.url().replace(BASE, "https://management.usgovcloudapi.net")


def test_the_test_hooks_for_time_are_the_real_clock_and_sleep() -> None:
    """The fixture `clock` replaces `time.monotonic` and `time.sleep`."""
    import time

    assert (_clock.monotonic, _clock.sleep) == (time.monotonic, time.sleep)
