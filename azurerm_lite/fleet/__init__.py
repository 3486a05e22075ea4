"""Many scale sets: find them in one query, and roll them out in waves."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

from ..types import (
    Batch,
    CountOrPercentage,
    Executor,
    FoundScaleSet,
    Image,
    Instance,
    Method,
    OnFailure,
    Only,
    Target,
    TargetLike,
    Token,
    Waves,
)
from .events import FleetEvent


def find_scale_sets(
    access_token: Token,
    *,
    subscriptions: Sequence[str] | None = None,
    image: str | None = None,
    tag: str | Mapping[str, str | None] | None = None,
    location: str | Sequence[str] | None = None,
) -> list[FoundScaleSet]:
    """Return the scale sets of all subscriptions, with the image that each asks for, by one query.

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
        location: Region, such as `westeurope`. Only sets in it, or in one of several; `None` for
            all.

    Returns:
        A dict for each set, ordered by id: `id`, `subscription_id`, `resource_group`, `vmss_name`,
        `location`, `capacity`, `mode`, `tags`, `image` (as `get_image` returns it) and `version`.
        `rollout_fleet` takes them.

    Raises:
        ValueError: An argument cannot be used; nothing was sent.
        AzureError: Azure refused, with its code and message.

    Azure: Resource Graph - Resources.
    """
    from .. import resource_graph

    regions = resource_graph.parse_scope(subscriptions, location)
    text = resource_graph.query(image, tag, regions)
    return resource_graph.scale_sets(resource_graph.rows(access_token, text, subscriptions))


def rollout_fleet(
    access_token: Token,
    targets: Iterable[TargetLike],
    *,
    waves: Waves = None,
    max_parallel: int = 16,
    max_failed: CountOrPercentage = 0,
    executor: Executor | None = None,
    by: CountOrPercentage = "update_domain",
    only: Only | None = None,
    max_batch: CountOrPercentage | None = None,
    canary: CountOrPercentage | None = None,
    canary_bake: float | None = None,
    pause: float | Callable[[Batch], object] = 0,
    bake: float = 0,
    check: Callable[[list[Instance]], object] | None = None,
    health_timeout: float = 1800,
    max_unhealthy: CountOrPercentage = 0,
    surge: CountOrPercentage | None = None,
    on_failure: OnFailure = "stop",
    rollback_image: Image | None = None,
    auxiliary_tokens: Sequence[Token] = (),
    dry_run: bool = False,
    method: Method = "upgrade",
) -> Generator[FleetEvent, None, None]:
    """Bring the instances of many scale sets to their models, wave after wave.

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
        surge: How many extra instances each set has meanwhile: a number, or a percentage of its
            capacity, as for `rollout`. A set that was cut off is resumed by `rollout`, with the
            capacity that its events have.
        on_failure: `"stop"`, or `"rollback"` to put the old image back into a set in which a batch
            fails.
        rollback_image: The image to go back to, as for `rollout`.
        auxiliary_tokens: Tokens of other tenants, at most three, for the put of an image that
            belongs to another tenant.
        dry_run: Only read: the events say what would be done, and what stands in its way.
        method: `"upgrade"`, or `"reimage"` for sets whose image has no version, as for `rollout`.

    Returns:
        An iterator of events (`kind`, `message`, `scale_set`, `event`, counts, `time`); each prints
        as a line.

    Raises:
        ValueError: An argument cannot be used; nothing was sent.
        FleetHalted: Sets failed: which and why, which are left between two batches, and which were
            not begun. It is raised when nothing runs any more.

    Azure: Virtual Machine Scale Sets - Update Instances; Reimage.
    """
    from ..rollout.actions import for_method
    from ..rollout.options import RolloutOptions, resolve_count
    from ..rollout.state import RolloutState, ScaleSetRef
    from .rate_limit import RateLimitedRequests
    from .scheduler import FleetScheduler, check_executor
    from .targets import split_into_waves

    options = RolloutOptions(
        by=by,
        only=only,
        max_batch=max_batch,
        canary=canary,
        canary_bake=canary_bake,
        pause=pause,
        bake=bake,
        check=check,
        health_timeout=health_timeout,
        max_unhealthy=max_unhealthy,
        surge=surge,
        on_failure=on_failure,
        rollback_image=rollback_image,
        auxiliary_tokens=auxiliary_tokens,
        dry_run=dry_run,
        action=for_method(method),
    )
    split = split_into_waves(targets, waves)
    total = sum(len(wave) for wave in split)
    if isinstance(max_parallel, bool) or not isinstance(max_parallel, int) or max_parallel < 1:
        raise ValueError(
            f"max_parallel must be a number of scale sets, 1 or more, not {max_parallel!r}"
        )
    allowed = resolve_count(max_failed, total, "max_failed", of="scale sets")

    def new_state(target: Target) -> RolloutState:
        names = (target.subscription_id, target.resource_group, target.vmss_name)
        hooks = RateLimitedRequests(target.subscription_id, target.location)
        return RolloutState(ScaleSetRef(access_token, *names), options, hooks=hooks)

    checked = check_executor(executor, new_state(split[0][0]) if split else None)
    return FleetScheduler(split, new_state, checked, max_parallel, allowed).run()
