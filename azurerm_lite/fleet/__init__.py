"""Many scale sets: which there are, in one query over all subscriptions, and their rollout in waves.

How the waves are cut is in `waves`, how they are carried out on an executor in `conducting`, how
the requests of many rollouts keep below Azure's limits in `pacing`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..rollout import plan
from ..rollout.plan import Only, Size
from ..types import Batch, FoundScaleSet, Image, Instance, Token

if TYPE_CHECKING:  # loaded when it is used
    from concurrent.futures import Executor

    from ..rollout.run import Run
    from ..types import Target
    from .events import FleetEvent
    from .targets import Given, Waves


def find_scale_sets(
    access_token: Token,
    *,
    subscriptions: Sequence[str] | None = None,
    image: str | None = None,
    tag: str | Mapping[str, str | None] | None = None,
    location: str | Sequence[str] | None = None,
) -> list[FoundScaleSet]:
    """The scale sets of all subscriptions, with the image that each asks for, by one query.

    Azure Resource Graph answers it, which follows changes by some seconds to minutes. It knows
    models, not instances: what those run, `get_instance_views` tells.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one (which outlives a
            single token).
        subscriptions: Subscription ids; `None` for all that the token can see.
        image: Only sets with this image: an image id, or the start of one up to a `/`; the URL of
            an unmanaged image; or `publisher:offer:sku:version`, of which the end may be left off.
            `None` for any.
        tag: Only sets with this tag: a name, `name=value`, or a dict of names and values (`None`
            for any value), all of which a set must have.
        location: Region, such as `westeurope`. Only sets in it, or in one of require_instances; `None` for
            all.

    Returns:
        A dict for each set, ordered by id: `id`, `subscription_id`, `resource_group`, `vmss_name`,
            `location`,
        `capacity`, `mode`, `tags`, `image` (as `get_image` returns it) and `version`.
        `rollout_fleet` takes them.

    Raises:
        ValueError: An argument cannot be used; nothing was sent.
        AzureError: Azure refused, with its code and message.

    Azure: Resource Graph - Resources.
    """
    from .. import resource_graph

    for argument, given in (("subscriptions", subscriptions), ("location", location)):
        listed = [given] if isinstance(given, str) and argument == "location" else given
        if isinstance(listed, str) or not all(
            isinstance(each, str) and each.strip() for each in listed or ()
        ):
            raise ValueError(f"{argument} must be a list of names, not {given!r}")
    places = [location] if isinstance(location, str) else list(location or ())
    text = resource_graph.query(image, tag, [place.replace(" ", "").lower() for place in places])
    return resource_graph.scale_sets(resource_graph.rows(access_token, text, subscriptions))


def rollout_fleet(
    access_token: Token,
    targets: Iterable[Given],
    *,
    waves: Waves = None,
    max_parallel: int = 16,
    max_failed: Size = 0,
    executor: Executor | None = None,
    by: Size = "update_domain",
    only: Only | None = None,
    max_batch: Size | None = None,
    canary: Size | None = None,
    canary_bake: float | None = None,
    pause: float | Callable[[Batch], object] = 0,
    bake: float = 0,
    check: Callable[[list[Instance]], object] | None = None,
    health_timeout: float = 1800,
    max_unhealthy: Size = 0,
    on_failure: str = "stop",
    rollback_image: Image | None = None,
    dry_run: bool = False,
) -> Generator[FleetEvent, None, None]:
    """Bring the instances of many scale sets to their models, wave after wave; the for loop is the rollout.

    Each set is rolled out as `rollout` does it, with all that this guarantees. The next wave begins
    when each set of the one before has ended. Leaving the loop starts nothing further and waits
    until the batches under way are over; calling again goes on from there, as it does after a
    failure.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one (which outlives a
            single token). For workers in other processes it must be such as `token_provider`
            returns: tokens are made there.
        targets: The scale sets: as `find_scale_sets` returns them, resource ids, or subscription
            id, resource group and name.
        waves: What makes the waves: a key of the targets, such as `"location"`, or a function of
            one, whose values are taken in ascending order; or sizes, such as `[1, "10%"]`, after
            which comes what is left. `None` for one.
        max_parallel: The most scale sets at a time.
        max_failed: How many sets may fail: a number, or a percentage of the fleet. One more, and
            none is started any more, and those under way are left after their batch.
        executor: Where the rollouts run: any `concurrent.futures.Executor`; `None` for threads of
            this process.
        by: What makes a batch, as for `rollout`.
        only: Domains to keep to, as for `rollout`.
        max_batch: The most instances of a set at a time, as for `rollout`.
        canary: The most instances of a set's first batch, as for `rollout`.
        canary_bake: Seconds for which a set's first batch is watched; `None` for `bake`.
        pause: Seconds to pause between two batches of a set, or a callable, as for `rollout`.
        bake: Seconds for which a batch that is done must stay healthy before the next begins.
        check: Your own check of a batch, as for `rollout`.
        health_timeout: Seconds within which a batch must be done, as for `rollout`.
        max_unhealthy: How many instances of a set outside a batch may be unhealthy, as for
            `rollout`.
        on_failure: `"stop"`, or `"rollback"` to put the old image back into a set in which a batch
            fails.
        rollback_image: The image to go back to, as for `rollout`.
        dry_run: Only read: the events say what would be done, and what stands in its way.

    Returns:
        An iterator of events (`kind`, `message`, `scale_set`, `event`, counts, `time`); each prints
        as a line.

    Raises:
        ValueError: An argument cannot be used; nothing was sent.
        FleetHalted: Sets failed: which and why, which are left between two batches, and which were
            not begun. It is raised when nothing runs any more.

    Azure: Virtual Machine Scale Sets - Update Instances.
    """
    given = dict(locals())
    fleet = {
        name: given.pop(name)
        for name in ("waves", "max_parallel", "max_failed", "executor", "targets")
    }
    return _fleet(given.pop("access_token"), fleet, given)


def _fleet(
    access_token: Token, fleet: Mapping[str, Any], options: Mapping[str, Any]
) -> Generator[FleetEvent, None, None]:
    """The rollout of a fleet, checked; nothing is sent before the first `next`."""
    from ..rollout import prepared
    from . import rate_limit, targets
    from .scheduler import Fleet

    cut = targets.cut(fleet["targets"], fleet["waves"])
    total = sum(map(len, cut))
    most = fleet["max_parallel"]
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise ValueError(f"max_parallel must be a number of scale sets, 1 or more, not {most!r}")
    allowed = plan.share(fleet["max_failed"], total, "max_failed", of="scale sets")

    def begin(target: Target) -> Run:
        watch = rate_limit.Paced(target.subscription_id, target.location)
        return prepared((access_token, *target[:3]), watch, **options)

    if cut:
        _check_executor(fleet["executor"], begin(cut[0][0]))
    return Fleet(cut, begin, fleet["executor"], most, allowed).events()


def _check_executor(executor: Executor | None, run: Run) -> None:
    """Refuses what is no executor, and for one of other processes what cannot be sent there."""
    home = "" if executor is None else type(executor).__module__
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise ValueError(f"executor must be a concurrent.futures.Executor, not {executor!r}")
    if executor is None or home == "concurrent.futures.thread":
        return
    import pickle

    if home != "concurrent.futures.process":
        run.__getstate__()  # others have ways of their own to send functions; a token they shall not send
        return
    try:
        pickle.dumps(run)
    except ValueError:
        raise
    except Exception as error:
        raise ValueError(
            f"access_token, check and pause must be such that they can be pickled: {error}"
        ) from None
