"""azurerm's names in `compat`: signatures, requests, return values, errors, and unmodified scripts.

The comparison with the real azurerm is in test_compat_azurerm.py, with the slow tests.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
import responses
from support.az_cli import put_az_on_path
from support.azurerm_calls import CALLS, GROUP, IN_GROUP, ON_WEB, SETS, WEB, Call, each_call, ours
from support.clock import Clock
from support.compat import FUNCTIONS, NEW, SIGNATURES, TESTS
from support.names import BASE
from support.wrappers import ENTRIES, ITEM, azure

import azurerm_lite as az
from azurerm_lite import compat, rest
from azurerm_lite._azurerm_names import MODULES, NOT_SUPPORTED, NOT_SUPPORTED_BY_PURPOSE
from azurerm_lite.sandbox import Sandbox


def without_annotations(function: Callable[..., Any]) -> str:
    """Return a signature without annotations, as in azurerm."""
    signature = inspect.signature(function)
    parameters = [
        entry.replace(annotation=inspect.Parameter.empty) for entry in signature.parameters.values()
    ]
    return f"{function.__name__}{inspect.Signature(parameters)}"


# Names


def test_the_signatures_are_azurerms() -> None:
    """Names, order and defaults."""
    assert [without_annotations(FUNCTIONS[name]) for name in sorted(FUNCTIONS)] == SIGNATURES


def test_star_imports_only_azurerms_names() -> None:
    """`__all__` has all public functions of the module, and is sorted."""
    public = [
        name
        for name, function in vars(compat).items()
        if inspect.isfunction(function)
        and function.__module__ == compat.__name__
        and not name.startswith("_")
    ]
    assert set(FUNCTIONS) == set(public) - {"install_as_azurerm"}
    assert sorted(compat.__all__) == compat.__all__


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_docstring_names_the_new_call(name: str) -> None:
    """On one line, and the new function exists."""
    docstring = inspect.getdoc(FUNCTIONS[name]) or ""
    found = re.fullmatch(r".+\. New: `([a-z_.]+)`.*\.", docstring)
    assert found, docstring
    assert functools.reduce(getattr, found[1].split("."), az)


@pytest.mark.parametrize("name", NOT_SUPPORTED)
def test_a_name_out_of_scope_raises_with_its_purpose(name: str) -> None:
    """The message has the name and its purpose; `hasattr` is false."""
    sentence = f"azurerm-lite does not have azurerm's '{name}': it supports scale sets, not "
    with pytest.raises(AttributeError, match=f"^{re.escape(sentence + NOT_SUPPORTED[name])}$"):
        getattr(compat, name)
    assert not hasattr(compat, name)


def test_an_unknown_name_is_not_reported_as_out_of_scope() -> None:
    """A misspelt name gets another message."""
    with pytest.raises(AttributeError, match=r"^neither .* nor azurerm 0.10.0 has 'list_vmsss'"):
        compat.list_vmsss  # noqa: B018
    assert not hasattr(compat, "__path__")


def test_no_name_is_both_supported_and_unsupported() -> None:
    """And no unsupported name is listed twice."""
    names = " ".join(NOT_SUPPORTED_BY_PURPOSE.values()).split()
    assert len(names) == len(set(names))
    assert not set(names) & {*compat.__all__, *MODULES}


def test_the_page_for_azurerms_users_has_every_name() -> None:
    """The table of docs/from-azurerm.md has old names in the first column.

    The calls in the second column exist.
    """
    page = (
        (TESTS.parent / "docs" / "from-azurerm.md")
        .read_text("utf-8")
        .partition("## The new names")[2]
    )
    rows = re.findall(r"^\| (`.*?) \| (.*?) \|$", page, re.MULTILINE)
    old = [name for row in rows for name in re.findall(r"`(\w+)", row[0])]
    assert sorted(old) == sorted(compat.__all__)
    for row in rows:
        for call in re.findall(r"`azurerm_lite\.([\w.]+)|`(\w+)\(", row[1]):
            assert functools.reduce(getattr, "".join(call).split("."), az), row


# Requests and return values


def test_every_function_that_sends_is_in_the_table() -> None:
    """A new function fails here until it is tested below."""
    sending = {
        name
        for name in FUNCTIONS
        if "access_token" in inspect.signature(FUNCTIONS[name]).parameters
    }
    assert {call.name for call in CALLS} == sending


@each_call
def test_each_request_and_return_value(call: Call, token: str) -> None:
    """Exactly one request; lists are in `value`, images plain, writes return a Response."""
    asked = call.gives
    answer = {"answer": ITEM, "item": ITEM, "list": {"value": ENTRIES}, "array": ENTRIES}[asked]
    with azure() as wire:
        wire.add(call.method, re.compile(""), status=202 if asked == "answer" else 200, json=answer)
        given = call.of(ours, token, BASE)
        (sent,) = wire.calls
    parts = urlsplit(str(sent.request.url))
    assert (sent.request.method, f"{parts.scheme}://{parts.netloc}{parts.path}") == (
        call.method,
        BASE + call.path,
    )
    assert dict(parse_qsl(parts.query)) == {**call.query, "api-version": call.api}
    assert (json.loads(sent.request.body) if sent.request.body else None) == call.body
    assert sent.request.headers["Authorization"] == f"Bearer {token}"
    assert "If-Match" not in sent.request.headers
    if asked == "answer":
        assert (given.status_code, given.json()) == (202, ITEM)
    else:
        assert given == answer


@each_call
def test_an_error_response_is_returned_as_azurerm_does(
    call: Call, token: str, clock: Clock
) -> None:
    """A read returns the JSON of the error, a write the Response; nothing is raised."""
    error = {"error": {"code": "SomeCode", "message": "Azure says why."}}
    with azure() as wire:
        wire.add(call.method, re.compile(""), status=404, json=error)
        given = call.of(ours, token, BASE)
    if call.gives == "answer":
        assert isinstance(given, requests.Response)
        assert (given.status_code, given.json()) == (404, error)
        assert token not in str(given.request.headers)
    else:
        assert given == error


@each_call
def test_a_response_that_is_not_json_is_an_error(call: Call, token: str) -> None:
    """For the page of a proxy a read raises (azurerm raised a plain ValueError).

    A write returns the Response.
    """
    with azure() as wire:
        wire.add(call.method, re.compile(""), status=403, body="<html>", content_type="text/html")
        if call.gives == "answer":
            assert call.of(ours, token, BASE).text == "<html>"
        else:
            with pytest.raises(az.AzureError, match="HTTP 403"):
                call.of(ours, token, BASE)


@pytest.mark.parametrize(
    "call", [call for call in CALLS if call.gives == "list"], ids=lambda call: call.name
)
def test_all_pages_come_in_one_list(call: Call, token: str) -> None:
    """Without a nextLink."""
    link = f"{BASE}{call.path}?api-version={call.api}&$skiptoken=2"
    pages = [{"value": ENTRIES[:1], "nextLink": link}, {"value": ENTRIES[1:]}]
    with azure() as wire:
        for page in pages:
            wire.add("GET", re.compile(""), json=page)
        assert call.of(ours, token, BASE) == {"value": ENTRIES}
        assert (
            wire.calls[1].request.url == link.replace("$", "%24")
            or wire.calls[1].request.url == link
        )


def test_an_error_response_of_a_later_page_is_returned(token: str) -> None:
    """As in azurerm, the error is returned and not a partial list."""
    error = {"error": {"code": "SomeCode", "message": "m"}}
    with azure() as wire:
        wire.get(BASE + GROUP + SETS, json={"value": ENTRIES, "nextLink": f"{BASE}/next"})
        wire.get(f"{BASE}/next", status=403, json=error)
        assert compat.list_vmss(token, *IN_GROUP) == error


def test_a_page_is_followed_by_its_link(token: str) -> None:
    """One complete page at a time, for the loops of azurerm's users."""
    pages = [{"value": ENTRIES[:1], "nextLink": f"{BASE}/next?a=b"}, {"value": ENTRIES[1:]}]
    with azure() as wire:
        wire.get(BASE + WEB + "/virtualMachines", json=pages[0])
        wire.get(f"{BASE}/next?a=b", json=pages[1])
        first = compat.list_vmss_vm_instance_view_pg(token, *ON_WEB)
        assert [
            first,
            compat.list_vmss_vm_instance_view_pg(token, *ON_WEB, first["nextLink"]),
        ] == pages


@pytest.mark.parametrize(
    "given", ['["3","4"]', "[3, 4]", ["3", "4"], (3, 4), b'["3", "4"]'], ids=repr
)
def test_ids_are_accepted_as_json_text_and_as_lists(given: Any, token: str) -> None:
    """Both send the same request."""
    with azure() as wire:
        wire.post(
            re.compile(""),
            match=[responses.matchers.json_params_matcher({"instanceIds": ["3", "4"]})],
        )
        assert compat.upgrade_vmss_vms(token, *ON_WEB, given).status_code == 200


@pytest.mark.parametrize(
    "given", ["", "[]", "null", None, '["1"', "{}", "[null]", '["*", "1"]', '["a b"]'], ids=repr
)
@pytest.mark.parametrize(
    "name", [name for name in FUNCTIONS if name.endswith("_vmss_vms") and name[0] != "l"]
)
def test_invalid_ids_are_a_value_error_before_anything_is_sent(
    name: str, given: Any, token: str
) -> None:
    """For Azure an empty list means the whole set, and for our functions `None` does.

    The error names the argument.
    """
    argument = "vm_ids" if name.startswith("delete") else "instance_ids"
    with azure(expects_requests=False), pytest.raises(ValueError, match=f"^{argument} "):
        FUNCTIONS[name](token, *ON_WEB, given)


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("update_vmss", (*ON_WEB, '{"a": canary-password}'), "^body must be JSON"),
        ("put_vmss", (*ON_WEB, "[]"), "^vmss_body must be a dict"),
        (
            "scale_vmss",
            (*ON_WEB, "many"),
            "^capacity must be a whole number of 0 or more, not 'many'",
        ),
        ("scale_vmss", (*ON_WEB, -1), "^capacity must be a whole number"),
        ("put_vmss_vm", (*ON_WEB, "*", {}), "^instance_id must be one instance id"),
        ("get_vmss_vm", (*ON_WEB, "../x"), "^instance_id must be an instance id"),
        ("get_resource_group", (IN_GROUP[0], ".."), "^resource_group must be a name"),
    ],
)
def test_invalid_input_is_an_error_that_names_the_argument(
    name: str, arguments: tuple[Any, ...], sentence: str, token: str
) -> None:
    """And shows no secret."""
    with azure(expects_requests=False), pytest.raises(ValueError, match=sentence) as caught:
        FUNCTIONS[name](token, *arguments)
    assert "canary" not in f"{caught.value!r} {caught.value.__cause__!r} {vars(caught.value)}"


def test_the_token_is_sent_only_to_the_resource_manager(token: str) -> None:
    """The helpers of azurerm sent it to any URL."""
    for function, arguments in (
        (compat.do_get, ()),
        (compat.do_put, ("{}",)),
        (compat.do_delete, ()),
    ):
        with (
            azure(expects_requests=False),
            pytest.raises(az.AzureError, match="the token is not sent there"),
        ):
            function("https://vault.example/secrets/x", *arguments, token)


def test_a_body_may_be_text_bytes_a_dict_or_nothing(token: str) -> None:
    """The original accepted only text, and sent a dict as a form."""
    for given, sent in (
        ('{"a": 1}', b'{"a": 1}'),
        (b'{"a": 1}', b'{"a": 1}'),
        ({"a": 1}, b'{"a": 1}'),
        ({}, b"{}"),
    ):
        with azure() as wire:
            wire.post(BASE + WEB)
            compat.do_post(BASE + WEB, given, token)
            assert wire.calls[0].request.body == sent
    for nothing in ("", b"", None):
        with azure() as wire:
            wire.post(BASE + WEB)
            compat.do_post(BASE + WEB, nothing, token)
            assert wire.calls[0].request.body is None


# Tokens and endpoints


def test_a_token_for_a_service_principal(sandbox: Sandbox) -> None:
    """With positional arguments, as in azurerm."""
    token = compat.get_access_token(
        sandbox.tenant_id, sandbox.application_id, sandbox.application_secret
    )
    assert [
        entry["name"]
        for entry in compat.list_resource_groups(token, sandbox.subscription_id)["value"]
    ]


def test_without_the_cli_the_result_is_none_and_the_reason_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """As in azurerm; scripts check for it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert compat.get_access_token_from_cli() is None
    assert compat.get_subscription_from_cli("some") is None
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(
        "Error from get_access_token_from_cli(): The Azure CLI (az) is not on PATH"
    )
    assert second.startswith("Error from get_subscription_from_cli(): ")


def test_the_cli_is_used(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """For token and subscription.

    azurerm read them from files that the CLI no longer writes.
    """
    put_az_on_path(sandbox, tmp_path, monkeypatch)
    assert compat.list_vmss(compat.get_access_token_from_cli(), *IN_GROUP)["value"]
    assert compat.get_subscription_from_cli() == sandbox.subscription_id


@pytest.mark.parametrize("slash", ["", "/"])
def test_endpoints_end_with_a_slash_as_in_azurerm(
    slash: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scripts append a path to the Resource Manager, and a tenant to the sign-in.

    For the public cloud, and for variables.
    """
    assert compat.get_rm_endpoint() == "https://management.azure.com"
    assert compat.get_auth_endpoint() == "https://login.microsoftonline.com/"
    assert compat.get_resource_endpoint() == "https://management.core.windows.net/"
    monkeypatch.setenv("AZURE_RM_ENDPOINT", "https://rm.example" + slash)
    monkeypatch.setenv("AZURE_AUTH_ENDPOINT", "https://login.example" + slash)
    assert (compat.get_rm_endpoint(), compat.get_auth_endpoint()) == (
        "https://rm.example",
        "https://login.example/",
    )


def test_the_user_agent_is_ours() -> None:
    """For scripts that send requests themselves."""
    assert compat.get_user_agent() == rest.session.headers["User-Agent"]
    assert compat.get_user_agent().startswith("azurerm-lite/")


# Behaviour


def test_a_model_can_be_put_again(sandbox: Sandbox, clock: Clock) -> None:
    """The API version of azurerm had no etag.

    With the old names the last write wins, with the new ones no change is lost.
    """
    where = sandbox.where()
    kept = compat.get_vmss(*where)
    for number in "12":
        kept["tags"] = {"round": number}
        put = (
            compat.update_vmss(*where, json.dumps(kept))
            if number == "1"
            else compat.put_vmss(*where, kept)
        )
        assert put.status_code == 200
        clock.sleep(60)
    assert compat.get_vmss(*where)["tags"] == {"round": "2"}
    with pytest.raises(az.PreconditionFailed):
        az.put_vmss(*where, kept)


def test_a_callable_renews_the_token(sandbox: Sandbox) -> None:
    """`token_provider` works for every token argument of azurerm."""
    provider = az.token_provider(
        sandbox.tenant_id, sandbox.application_id, sandbox.application_secret
    )
    assert compat.get_vmss(provider, *sandbox.where()[1:])["name"] == "web"


# Replacing azurerm


def test_import_azurerm_imports_compat(without_azurerm: None) -> None:
    """In each way in which scripts import it or its modules."""
    names: dict[str, Any] = {}
    az.install_as_azurerm()
    exec(
        "import azurerm, azurerm.computerp, azurerm.restfns as helpers\n"
        "from azurerm import adalfns, get_vmss\n"
        "from azurerm.settings import COMP_API, get_rm_endpoint\n"
        "from azurerm.subfns import *\n",
        names,
    )
    assert names["azurerm"] is compat
    assert names["azurerm"].restfns.do_get is names["helpers"].do_get is compat.do_get
    assert names["adalfns"].get_access_token is compat.get_access_token
    assert names["get_vmss"] is compat.get_vmss
    assert names["list_locations"] is compat.list_locations
    assert {name for name in names if not name.startswith("_")} <= {
        *compat.__all__,
        "azurerm",
        "helpers",
        "adalfns",
    }
    az.install_as_azurerm()


def test_unsupported_modules_cannot_be_imported(without_azurerm: None) -> None:
    """`import azurerm.networkrp` fails, and not the first call.

    So does `from azurerm import`.
    """
    az.install_as_azurerm()
    with pytest.raises(ModuleNotFoundError, match=r"azurerm\.networkrp"):
        importlib.import_module("azurerm.networkrp")
    with pytest.raises(ImportError, match="networkrp"):
        exec("from azurerm import networkrp")


def command(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """A script in a separate process with compat as azurerm."""
    command = [sys.executable, "-W", "error", "-m", "azurerm_lite.compat", *map(str, arguments)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=60,
        **options,
    )


def test_a_script_runs_as_python_would_run_it(tmp_path: Path) -> None:
    """With its own name, arguments, folder and exit status."""
    (tmp_path / "neighbour.py").write_text("name = 'neighbour'\n")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, azurerm, neighbour\n"
        "if __name__ == '__main__':\n"
        "    print(sys.argv, sys.path[0], __file__, neighbour.name, azurerm.__name__)\n"
        "    sys.exit(7)\n"
    )
    (tmp_path / "elsewhere").mkdir()
    for named, folder in ((script, tmp_path / "elsewhere"), (Path("script.py"), tmp_path)):
        done = command(
            named, "-g", "a b", cwd=folder, env={**os.environ, "PYTHONPATH": str(TESTS.parent)}
        )
        expected = (
            f"{[str(named), '-g', 'a b']} {tmp_path.resolve()} {named} neighbour"
            " azurerm_lite.compat\n"
        )
        assert (done.returncode, done.stdout, done.stderr) == (7, expected, "")


def test_a_script_that_fails_shows_its_own_line(tmp_path: Path) -> None:
    """The traceback ends in the script, with the message on the unsupported name."""
    script = tmp_path / "script.py"
    script.write_text("import azurerm\nazurerm.create_nic()\n")
    done = command(script)
    assert done.returncode == 1
    assert f'File "{script}", line 2' in done.stderr
    assert done.stderr.splitlines()[-1].startswith(
        "AttributeError: azurerm-lite does not have azurerm's 'create_nic'"
    )


@pytest.mark.parametrize("arguments", [[], ["missing.py"]])
def test_wrong_usage_exits_with_two(arguments: list[str], tmp_path: Path) -> None:
    """The problem and the usage are printed."""
    done = command(*arguments, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(TESTS.parent)})
    assert done.returncode == 2
    assert done.stderr.endswith("usage: python -m azurerm_lite.compat script.py [argument ...]\n")
    assert all(argument in done.stderr for argument in arguments)


# azurerm's scripts


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Sandbox]:
    """A sandbox in real time, with small pages, and an `az` that is signed in to it."""
    with Sandbox(upgrade_seconds=0.2, page_size=7) as sandbox:
        put_az_on_path(sandbox, tmp_path, monkeypatch)
        yield sandbox


def test_a_script_that_lists(live: Sandbox) -> None:
    """Every set with every instance, over all pages; a missing set has Azure's code."""
    done = command(TESTS / "scripts" / "list_sets.py", "sandbox")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len([line for line in lines if line.endswith(" Succeeded")]) == 20 + 6 + 6 + 4
    assert lines[-2:] == ["ResourceNotFound"] * 2 or lines[-2:] == [
        "ResourceNotFound",
        "ParentResourceNotFound",
    ]


def test_a_script_that_upgrades_an_update_domain(live: Sandbox) -> None:
    """Those instances have the new version, the others the old one."""
    done = command(TESTS / "scripts" / "upgrade_domain.py", "sandbox", "web", NEW, "2")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[2:] == [
        "upgrading ['2', '7', '12', '17']",
        "upgrade 202",
        "refused 400 InvalidParameter",
    ]
    upgraded = {
        vm["instanceId"]
        for vm in az.list_vmss_vms(*live.where())
        if az.get_image(vm)["exact_version"] == NEW
    }
    assert upgraded == {"2", "7", "12", "17"}


def test_a_script_that_upgrades_right_after_the_model(live: Sandbox, tmp_path: Path) -> None:
    """The sequence of vmssupgrade, with no wait between PUT and upgrade; both are accepted."""
    config = {
        "tenantId": live.tenant_id,
        "appId": live.application_id,
        "appSecret": live.application_secret,
        "subscriptionId": live.subscription_id,
    }
    (tmp_path / "vmssconfig.json").write_text(json.dumps(config))
    arguments = ["-r", "sandbox", "-s", "web", "-n", NEW, "-u", "2", "-y"]
    environment = {**os.environ, "PYTHONPATH": str(TESTS.parent)}
    script = TESTS / "scripts" / "vmssupgrade.py"
    live.cloud.upgrade_seconds = 3.0
    done = command(script, *arguments, cwd=tmp_path, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "model <Response [200]>",
        "upgrading ['12', '17', '2', '7']",
        "upgrade <Response [202]>",
    ]


def test_regions_have_azurerms_shape(live: Sandbox) -> None:
    """With coordinates and name at the same level, as in azurerm's API version."""
    token, subscription, *_ = live.where()
    (found,) = [
        region
        for region in compat.list_locations(token, subscription)["value"]
        if region["name"] == "westeurope"
    ]
    assert (found["displayName"], found["longitude"], found["latitude"]) == (
        "West Europe",
        "4.9",
        "52.3667",
    )


def test_a_script_that_scales(live: Sandbox) -> None:
    """With azurerm's modules.

    The capacity is text from the command line, and the exit status is the script's.
    """
    done = command(
        TESTS / "scripts" / "scale.py", "-g", "sandbox", "-n", "legacy", "--capacity", "9"
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "200\n9\n", "")
    assert az.get_vmss(*live.where("legacy"))["sku"]["capacity"] == 9


def test_a_script_with_a_class_around_the_model(live: Sandbox) -> None:
    """It pages, stores a model and puts it twice."""
    done = command(TESTS / "scripts" / "dashboard.py", "sandbox", "web")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[:3] == ["7 instances", "7 instances", "6 instances"]
    assert lines[4:] == ["200", "200", "{'round': 'two'}", "202"]
