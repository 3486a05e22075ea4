"""Fleets: find many scale sets with one query, and roll them out in waves."""

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
    """Return the scale sets of all subscriptions with the images of their models, by one query.

    The query runs in Azure Resource Graph, which lags behind by some seconds to minutes. It returns
    models, not what instances run: use `get_instance_views` for that.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        subscriptions: Subscription ids; `None` for all that the token can see.
        image: Only sets with this image: an image id, or the start of one up to a `/`; the URL of
            an unmanaged image; or `publisher:offer:sku:version`, whose last parts are optional.
            `None` for any image.
        tag: Only sets with this tag: a name, `name=value`, or a dict of names and values. `None`
            as a value matches any value; a set must match all entries of the dict.
        location: Region, such as `westeurope`. Also a list of regions; `None` for all.

    Returns:
        A list of dicts, ordered by id: `id`, `subscription_id`, `resource_group`, `vmss_name`,
        `location`, `capacity`, `mode`, `tags`, `image` (as `get_image` returns it) and `version`.
        They can be passed to `rollout_fleet` as `targets`.

    Raises:
        ValueError: An argument is invalid; nothing was sent.
        AzureError: Azure returned an error, with its code and message.

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
    """Upgrade the instances of many scale sets to their models, wave by wave.

    Each set is rolled out by `rollout`, with the same guarantees. The next wave starts when all
    sets of the wave before have ended. Leaving the loop starts nothing further and waits until the
    batches in progress have ended. Calling again resumes, also after a failure.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
            Prefer a callable, which outlives a single token. With workers in other processes pass a
            `token_provider()`: each worker requests its own token.
        targets: The scale sets: dicts from `find_scale_sets`, resource ids, or tuples of
            subscription id, resource group and name.
        waves: How to form waves: a key of the targets, such as `"location"`, or a function of a
            target, whose values are sorted; or sizes, such as `[1, "10%"]`, and the last wave has
            the remaining sets. `None` for one wave.
        max_parallel: How many scale sets to roll out in parallel at most.
        max_failed: How many sets may fail: a number, or a percentage of the fleet. If more fail, no
            further set is started, and running sets stop after their current batch.
        executor: Where the rollouts run: any `concurrent.futures.Executor`; `None` for threads of
            this process.
        by: How to form batches, as for `rollout`.
        only: Domains to which the rollouts are restricted, as for `rollout`.
        max_batch: The largest batch of a set, as for `rollout`.
        canary: The largest size of a set's first batch, as for `rollout`.
        canary_bake: Seconds for which a set's first batch must stay healthy; `None` for `bake`.
        pause: Seconds to pause between batches of a set, or a callable, as for `rollout`.
        bake: Seconds for which a finished batch must stay healthy before the next one starts.
        check: Custom health check, as for `rollout`.
        health_timeout: Seconds to wait for a batch to become healthy, as for `rollout`.
        max_unhealthy: How many instances of a set outside a batch may be unhealthy, as for
            `rollout`.
        surge: How many extra instances to run in each set: a number, or a percentage of its
            capacity, as for `rollout`. Resume an interrupted set with `rollout`, and the capacity
            from its events.
        on_failure: `"stop"`, or `"rollback"` to restore the old image in a set whose batch fails.
        rollback_image: The image to roll back to, as for `rollout`.
        auxiliary_tokens: Tokens of other tenants, at most three, to put an image of another tenant.
        dry_run: Only read: the events report what would be done, and what would prevent it.
        method: `"upgrade"`, or `"reimage"` for sets whose image has no version, as for `rollout`.

    Returns:
        An iterator of events (`kind`, `message`, `scale_set`, `event`, counts, `time`); each prints
        as a line.

    Raises:
        ValueError: An argument is invalid; nothing was sent.
        FleetHalted: Sets failed. It has the failed, the paused and the unstarted sets, and is
            raised when no set is running any more.

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
        raise ValueError(f"max_parallel must be a whole number of 1 or more, not {max_parallel!r}")
    allowed = resolve_count(max_failed, total, "max_failed", of="scale sets")

    def new_state(target: Target) -> RolloutState:
        names = (target.subscription_id, target.resource_group, target.vmss_name)
        hooks = RateLimitedRequests(target.subscription_id, target.location)
        return RolloutState(ScaleSetRef(access_token, *names), options, hooks=hooks)

    checked = check_executor(executor, new_state(split[0][0]) if split else None)
    return FleetScheduler(split, new_state, checked, max_parallel, allowed).run()
