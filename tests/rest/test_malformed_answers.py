"""Answers that are not what Azure documents end in an `AzureError`, whatever is wrong with them."""

from __future__ import annotations

import contextlib
import copy
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import responses
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.names import WHERE

import azurerm_lite as az
from azurerm_lite.sandbox import Sandbox

JUNK = st.sampled_from([None, 7, True, "text", "", [], {}, [None], [7], {"code": None}, ["a"]])


@pytest.fixture(scope="module")
def bodies() -> Iterator[dict[str, Any]]:
    """A model and instances as the sandbox answers, of both modes."""
    with Sandbox(upgrade_seconds=0) as sandbox:
        where = sandbox.where()
        yield {
            "model": az.get_vmss(*where),
            "instances": az.get_instance_views(*where)[:2],
        }


def paths_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every member and entry of JSON."""
    if isinstance(value, dict):
        members: Any = value.items()
    elif isinstance(value, list):
        members = enumerate(value)
    else:
        return
    for key, member in members:
        yield (*path, key)
        yield from paths_in(member, (*path, key))


def mutate(body: Any, data: st.DataObject) -> Any:
    """The body with one to three members replaced by junk, or removed."""
    body = copy.deepcopy(body)
    for _ in range(data.draw(st.integers(1, 3))):
        paths = list(paths_in(body))
        if not paths:
            return body
        *parents, last = data.draw(st.sampled_from(paths))
        parent = body
        for key in parents:
            parent = parent[key]
        if isinstance(parent, dict) and data.draw(st.booleans()):
            del parent[last]
        else:
            parent[last] = copy.deepcopy(data.draw(JUNK))
    return body


def use_model() -> None:
    """What the library does with a model."""
    model = az.get_vmss("token", *WHERE)
    az.upgrade_mode(model)
    with contextlib.suppress(ValueError):  # it has no image, or one of another kind
        az.image_name(az.get_image(model))
        az.set_image(model, version="1.0")


def use_instances() -> None:
    """What the library does with instances."""
    instances = az.get_instance_views("token", *WHERE)
    az.by_update_domain(instances)
    az.by_zone(instances)
    str(az.heatmap(instances))
    az.heatmap(instances).to_svg()
    for instance in instances:
        az.power_state(instance)
        az.provisioning_state(instance)
        az.health(instance)
    with contextlib.suppress(ValueError):  # no instance has such a domain
        az.plan_rollout(instances)


USES: dict[str, Callable[[], None]] = {"model": use_model, "instances": use_instances}


def check(kind: str, body: Any) -> None:
    """Nothing but an `AzureError` comes of an answer."""
    answer = body if kind == "model" else {"value": body}
    with responses.RequestsMock(assert_all_requests_are_fired=False) as wire:
        wire.add_callback(
            "GET",
            re.compile(".*"),
            lambda request: (200, {}, json.dumps(answer)),
        )
        with contextlib.suppress(az.AzureError):
            USES[kind]()


@pytest.mark.parametrize("kind", USES)
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_malformed_answer_is_an_azure_error(
    bodies: dict[str, Any], kind: str, data: st.DataObject
) -> None:
    """Any member missing, or of another kind."""
    check(kind, mutate(bodies[kind], data))


@pytest.mark.slow
@pytest.mark.parametrize("kind", USES)
@settings(max_examples=5000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_none_of_ten_thousand_malformed_answers_escapes(
    bodies: dict[str, Any], kind: str, data: st.DataObject
) -> None:
    """The same, five thousand times for each kind."""
    check(kind, mutate(bodies[kind], data))
