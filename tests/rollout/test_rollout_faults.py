"""The table of faults: whatever goes wrong at whichever request of a rollout.

What comes of it, and how it goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import requests
import urllib3
from support.clock import Clock
from support.rollout import NEW, OLD, OLD_IMAGE, bump, on, posted, running

import azurerm_lite as az
from azurerm_lite import rest
from azurerm_lite.sandbox import Sandbox

KINDS = {
    "model": ("GET", "/virtualMachineScaleSets/web"),
    "put": ("PUT", "/virtualMachineScaleSets/web"),
    "list": ("GET", "/virtualMachines"),
    "upgrade": ("POST", "/manualupgrade"),
    "poll": ("GET", "/operations/"),
}
REFUSED = requests.ConnectionError(
    urllib3.exceptions.MaxRetryError(
        urllib3.HTTPSConnectionPool("127.0.0.1"),
        "/",
        urllib3.exceptions.NewConnectionError(None, "refused"),
    )
)
EXPIRED = {"status": 401, "code": "ExpiredAuthenticationToken"}

# What goes wrong, as arguments of `fail_next`; or what the connection raises, before or after Azure
# got the request.
FAULTS: dict[str, Any] = {
    "429 with Retry-After": {"status": 429, "retry_after": 7},
    "429 with a long Retry-After": {"status": 429, "retry_after": 300},
    "429 without Retry-After": {"status": 429},
    "500": {"status": 500},
    "502": {"status": 502},
    "503": {"status": 503},
    "503 with Retry-After": {"status": 503, "retry_after": 7},
    "504": {"status": 504},
    "refused": (REFUSED, "before"),
    "read timeout, not taken": (requests.ReadTimeout("timed out"), "before"),
    "read timeout, taken": (requests.ReadTimeout("timed out"), "after"),
    "reset, not taken": {"drop": "before"},
    "reset, taken": {"drop": "after"},
    "truncated": {"drop": "truncate"},
    "no JSON": {"text": "<html>Sign in</html>"},
    "expired token, callable": EXPIRED,
    "409 Conflict": {"status": 409, "code": "Conflict"},
    "401 expired token, string": EXPIRED,
    "409 OperationNotAllowed": {"status": 409, "code": "OperationNotAllowed"},
    "403": {"status": 403, "code": "AuthorizationFailed"},
    "412": {"status": 412, "code": "PreconditionFailed"},
    "404": {"status": 404, "code": "ResourceNotFound"},
}
# What is not merely a delay: the rollout halts, and the same call goes on from there when the fault
# is gone.
HALTS = {
    *(
        (fault, kind)
        for fault in ("401 expired token, string", "409 OperationNotAllowed", "403")
        for kind in KINDS
    ),
    *(
        ("412", kind) for kind in KINDS if kind != "put"
    ),  # of a PUT it is looked into who changed the model
    *(
        ("404", kind) for kind in KINDS if kind != "poll"
    ),  # of an operation the instances tell how it went
}


@pytest.fixture
def small(clock: Clock) -> Iterator[Sandbox]:
    """Six instances in three update domains.

    A minute to upgrade, on the clock that only sleeping moves.
    """
    with Sandbox(upgrade_seconds=60, clock=clock, demo=False) as sandbox:
        sandbox.add_vmss("web", 6, update_domains=3)
        yield sandbox


def arrange(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, fault: Any, kind: str, times: int
) -> None:
    """Lets the next requests of a kind go wrong."""
    method, path = KINDS[kind]
    if isinstance(fault, dict):
        sandbox.fail_next(method=method, path=path, times=times, **fault)
        return
    error, when = fault
    left = [error] * times
    honest = rest.session.send

    def send(request: requests.PreparedRequest, **options: Any) -> requests.Response:
        hit = (
            request.method == method
            and path.lower() in str(request.url).lower()
            and left
            and left.pop()
        )
        if hit and when == "before":
            raise error
        response = honest(request, **options)
        if hit:
            raise error
        return response

    monkeypatch.setattr(rest.session, "send", send)


def applied(sandbox: Sandbox) -> Counter[str]:
    """How often each instance was brought to a model."""
    return Counter(change.instance_id for change in sandbox.changes if change.what == "model")


def each_pair() -> Iterator[Any]:
    """Each fault at each kind of request; by default each fault once, at the kinds in turn."""
    for row, fault in enumerate(FAULTS):
        for column, kind in enumerate(KINDS):
            is_default = (row + column) % len(KINDS) == 0
            marks = [] if is_default else [pytest.mark.slow, pytest.mark.exhaustive]
            yield pytest.param(fault, kind, marks=marks, id=f"{kind}-{fault}")


def outcome(run: Callable[[], Any]) -> str:
    """Whether a rollout was done or halted; anything else is an error of the test."""
    try:
        run()
    except az.RolloutHalted:
        return "halts"
    return "done"


@pytest.mark.parametrize(
    "times", [1, pytest.param(4, marks=[pytest.mark.slow, pytest.mark.exhaustive])]
)
@pytest.mark.parametrize(("fault", "kind"), list(each_pair()))
def test_the_table(
    small: Sandbox, monkeypatch: pytest.MonkeyPatch, fault: str, kind: str, times: int
) -> None:
    """Each fault at each kind of request: a delay or a halt, as stated.

    In the end all on one image, each once.
    """
    bump(small)
    where = small.where()
    honest = rest.session.send
    token: Any = (
        (lambda: small.access_token) if fault == "expired token, callable" else small.access_token
    )
    again: Callable[[], Any]
    if kind == "put":
        list(az.rollout(*where, only=[0]))
        again = partial(az.rollback, token, *where[1:], image=OLD_IMAGE)
        arrange(small, monkeypatch, FAULTS[fault], kind, times)
        ended = outcome(lambda: list(again()))
    else:
        again = partial(az.rollout, token, *where[1:])
        act = partial(arrange, small, monkeypatch, FAULTS[fault], kind, times)
        ended = outcome(lambda: on("batch_started", 2, act, again()))
    # A fresh token that is refused again is refused for good.
    expected = (
        "halts" if (fault, kind) in HALTS or (fault.startswith("expired") and times > 1) else "done"
    )
    assert ended == expected
    small.app.faults.clear()
    monkeypatch.setattr(rest.session, "send", honest)
    list(again())
    assert set(running(small).values()) == {OLD if kind == "put" else NEW}
    counts = applied(small)
    assert counts == ({"0": 2, "3": 2} if kind == "put" else dict.fromkeys("012345", 1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "fault", ["429 without Retry-After", "503", "refused", "reset, not taken", "no JSON"]
)
def test_a_fault_that_does_not_pass_halts_within_the_limit(
    small: Sandbox, clock: Clock, monkeypatch: pytest.MonkeyPatch, fault: str, kind: str
) -> None:
    """No waiting for ever, and no hundreds of requests meanwhile.

    Where only the polling fails, the instances tell.
    """
    bump(small)
    list(az.rollout(*small.where(), only=[0]))
    run: Callable[[], Any] = partial(az.rollout, *small.where(), health_timeout=900)
    if kind == "put":
        run = partial(az.rollback, *small.where(), image=OLD_IMAGE, health_timeout=900)
    arrange(small, monkeypatch, FAULTS[fault], kind, 10**4)
    began, before = clock.now, len(small.journal)
    if kind in (
        "model",
        "list",
    ):  # nothing was changed yet: Azure's error, or the network's, as it is
        with pytest.raises((az.AzureError, requests.ConnectionError)):
            list(run())
    else:  # the answers to upgrades and PUTs are read for their headers alone
        assert outcome(lambda: list(run())) == (
            "done" if kind == "poll" or fault == "no JSON" else "halts"
        )
    assert clock.now - began <= 3 * 900
    assert len(small.journal) - before <= 150


# What happens to operations and instances


def stuck(sandbox: Sandbox) -> None:
    """The next upgrade of an instance never ends."""
    sandbox.break_upgrade("web", "1", "stick")


def ill_later(sandbox: Sandbox) -> None:
    """An instance that was upgraded turns unhealthy."""
    sandbox.cloud.scale_set("sandbox", "web").instances["1"].health = "unhealthy"


EVENTS: dict[str, tuple[str, Callable[[Sandbox], object], str]] = {
    "operation Failed": (
        "batch_started",
        lambda sandbox: sandbox.end_next("Failed"),
        "InternalExecutionError",
    ),
    "operation Canceled": (
        "batch_started",
        lambda sandbox: [sandbox.end_next("Canceled") for _ in range(2)],
        "as Canceled",
    ),
    "operation never ending": ("batch_started", stuck, "has not ended after 15 min"),
    "instance fails": (
        "batch_started",
        lambda sandbox: sandbox.break_upgrade("web", "1"),
        "OSProvisioningTimedOut",
    ),
    "unhealthy at once": (
        "batch_started",
        lambda sandbox: sandbox.break_upgrade("web", "1", "unhealthy"),
        "is not healthy after 15 min",
    ),
    "no health any more": (
        "batch_started",
        lambda sandbox: sandbox.break_upgrade("web", "1", "silent"),
        "application health not reported yet",
    ),
    "agent lost": (
        "batch_started",
        lambda sandbox: sandbox.break_upgrade("web", "1", "agentless"),
        "application health not reported yet",
    ),
    "unhealthy within bake": ("baking", ill_later, "did not stay healthy for 2 min"),
    "unhealthy after bake": ("pausing", ill_later, "outside update domain 2 (is|are) unhealthy"),
}


@pytest.mark.parametrize("event", EVENTS)
def test_a_failing_instance_halts_and_the_rollout_resumes(small: Sandbox, event: str) -> None:
    """The halt says which instance and why; nothing further is touched.

    Mended, the same call finishes.
    """
    kind, act, message = EVENTS[event]
    bump(small)
    run = partial(az.rollout, *small.where(), health_timeout=900, bake=120, pause=30)
    with pytest.raises(az.RolloutHalted, match=message) as caught:
        on(kind, 2, lambda: act(small), run())
    assert "1" in caught.value.unhealthy
    assert {running(small)[vm_id] for vm_id in ("2", "5")} == {OLD}
    vmss = small.cloud.scale_set("sandbox", "web")
    small.break_upgrade("web", "1", "none")
    vmss.instances["1"].health = "healthy"
    for job in [each for each in small.cloud.running.values() if each.due == float("inf")]:
        job.due = small.cloud.now()  # Azure gives up on it in the end
    list(az.rollout(*small.where(), max_unhealthy=1))
    assert set(running(small).values()) == {NEW}


@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("what", ["added", "removed"])
def test_autoscale_at_any_request_is_accepted(clock: Clock, what: str, step: int) -> None:
    """Whenever instances come or go, the rollout ends with all that are there on the new image."""
    number = 1 - step
    while True:
        number += step
        with Sandbox(upgrade_seconds=60, clock=clock, demo=False) as sandbox:
            sandbox.add_vmss("web", 6, update_domains=3)
            bump(sandbox)
            before = len(sandbox.journal)
            sandbox.at_request(number, partial(sandbox.scale, "web", 8 if what == "added" else 3))
            events = list(az.rollout(*sandbox.where()))
            assert (events[-1].kind, events[-1].latest) == ("finished", events[-1].total)
            if number > len(sandbox.journal) - before:
                break
            assert set(running(sandbox).values()) == {NEW}
            assert len(running(sandbox)) == (8 if what == "added" else 3)
            assert max(applied(sandbox).values(), default=1) == 1
    assert number > 15


@pytest.mark.parametrize("number", range(1, 12, 2))
def test_a_model_changed_at_any_request_halts_or_was_in_time(small: Sandbox, number: int) -> None:
    """Before the rollout read the model it is the model.

    Later it halts, and the next call brings all to it.
    """
    bump(small)
    small.at_request(number, partial(small.set_image, "web", version="22.04.202409120"))
    ended = outcome(lambda: list(az.rollout(*small.where())))
    assert ended == ("done" if number == 1 else "halts")
    list(az.rollout(*small.where()))
    assert set(running(small).values()) == {"22.04.202409120"}


def test_a_model_that_changes_while_a_batch_waits_its_turn_halts_before_the_batch(
    sandbox: Sandbox,
) -> None:
    """What answers Conflict may be somebody's change of the model: no batch is brought to that."""
    bump(sandbox)

    def change() -> None:
        sandbox.fail_next(409, path="manualupgrade", code="Conflict")
        sandbox.set_image("web", version="22.04.202409120")

    with pytest.raises(az.RolloutHalted, match="Another client changed the scale set's model"):
        on("batch_started", 2, change, az.rollout(*sandbox.where()))
    assert len(posted(sandbox)) == 1


def test_a_pause_longer_than_the_limit_is_not_started(sandbox: Sandbox, clock: Clock) -> None:
    """Asked to come back tomorrow, a batch halts at once with Azure's words."""
    bump(sandbox)
    fail = partial(
        sandbox.fail_next, 429, path="manualupgrade", retry_after=86400, code="TooManyRequests"
    )
    with pytest.raises(az.RolloutHalted, match="TooManyRequests"):
        on("batch_done", 1, fail, az.rollout(*sandbox.where()))
    assert max(clock.slept) <= 60
