"""Plan a rollout, run it batch by batch with checks, and roll it back.

Azure holds the only state. `latestModelApplied` of each instance shows what is pending, so starting
a rollout again resumes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from requests import Response

from .. import instances as _instances
from .._arguments import check_seconds
from ..types import (
    Batch,
    CommandOutput,
    CountOrPercentage,
    Image,
    Instance,
    Method,
    OnFailure,
    Only,
    Token,
)
from .events import Event


def plan_rollout(
    instances: Iterable[Instance],
    *,
    by: CountOrPercentage = "update_domain",
    only: Only | None = None,
    max_batch: CountOrPercentage | None = None,
    canary: CountOrPercentage | None = None,
) -> list[Batch]:
    """Return the batches that `rollout` would upgrade, in order; nothing is sent.

    Instances are left out if they have the latest model, are being created or deleted, or are
    protected from scale-set actions (unless `only` names them).

    Args:
        instances: All instances of the set with their instance views, as `get_instance_views`
            returns them.
        by: How to form batches: `"update_domain"`, `"fault_domain"`, `"zone"`, a number of
            instances, or a percentage of the set such as `"20%"`. If the set has no update domains,
            `"update_domain"` upgrades one zone after the other, at most 20 % of the set at a time,
            as Azure's own rolling upgrades do.
        only: Domains (whole numbers) or instance ids (strings), one or several, to which the
            rollout is restricted; `None` for all.
        max_batch: The largest batch: a number, a percentage of the set, or `None` for no limit.
            Larger domains are split.
        canary: The largest size of the first batch: a number, a percentage of the set, or `None`
            for a normal first batch.

    Returns:
        A list of batches (`name`, `instance_ids`): domains ascending, ids in numeric order.
        Instances without a domain come last, in batches no larger than the largest domain.

    Raises:
        ValueError: An argument is invalid; `instances` is not a list of instances; `only` names
            something that the set does not have; or no instance has such a domain.
    """
    from .options import RolloutOptions
    from .plan import check_choice, plan_batches

    known = list(_instances.require_instances(instances))
    options = RolloutOptions(by=by, only=only, max_batch=max_batch, canary=canary)
    check_choice(known, options)
    return plan_batches(known, options)


def rollout(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    *,
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
    capacity: int | None = None,
    on_failure: OnFailure = "stop",
    rollback_image: Image | None = None,
    auxiliary_tokens: Sequence[Token] = (),
    dry_run: bool | Mapping[str, Any] = False,
    method: Method = "upgrade",
) -> Iterator[Event]:
    """Bring a scale set's instances to its model, one batch at a time.

    The for loop over the events is the rollout. Nothing is sent before the first `next`. Leaving
    the loop pauses the rollout, and calling `rollout` again resumes it.

    Only one batch is in progress at a time. A batch is done when its operation has succeeded and
    each of its instances has the latest model, is provisioned, has its earlier power state, and is
    healthy if it reports application health.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one. Pass a callable if
            the call may outlast a single token.
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.
        by: How to form batches: `"update_domain"`, `"fault_domain"`, `"zone"`, a number of
            instances, or a percentage of the set such as `"20%"`. If the set has no update domains,
            `"update_domain"` upgrades one zone after the other, at most 20 % of the set at a time,
            as Azure's own rolling upgrades do.
        only: Domains (whole numbers) or instance ids (strings), one or several, to which the
            rollout is restricted; `None` for all.
        max_batch: The largest batch: a number, a percentage of the set, or `None` for no limit.
            Larger domains are split.
        canary: The largest size of the first batch of this run: a number, a percentage of the set,
            or `None` for a normal first batch.
        canary_bake: Seconds for which the first batch must stay healthy; `None` for `bake`.
        pause: Seconds to pause between batches, or a callable that receives the finished batch and
            returns whether to continue.
        bake: Seconds for which a finished batch must stay healthy before the next one starts.
        check: Custom health check. It is called with the instances of a batch, until it passes or
            `health_timeout` is over, and again during `bake`. `False`, a string (the reason) or an
            exception means unhealthy.
        health_timeout: Seconds to wait for a batch to become healthy. Every other wait (other
            operations, throttling, network outages) has the same limit.
        max_unhealthy: How many instances outside a batch may be unhealthy when it starts: a number,
            or a percentage of the set such as `"20%"`.
        surge: How many extra instances to run during the rollout: a number, or a percentage of the
            capacity such as `"20%"`. They are created first, verified and baked like a canary. Then
            the old instances are upgraded in batches of at most that size, and the last of them are
            deleted by their ids instead. `None` for no extra instances.
        capacity: With `surge`: the number of instances at the end; `None` for the capacity at the
            start of the run. To resume an interrupted run, pass the number from its events.
        on_failure: `"stop"`, or `"rollback"` to restore the old image when a batch fails: in the
            model, and on the upgraded instances, in the same order and with the same checks.
        rollback_image: The image to roll back to, as `get_image` returns it; `None` for the image
            that the pending instances run.
        auxiliary_tokens: Tokens of other tenants, at most three, to put an image of another tenant.
        dry_run: Only read: the events report what would be done, and what would prevent it. `True`,
            or a model as `set_image` returns it, to plan as if it were put and every instance were
            pending.
        method: `"upgrade"` brings instances to the model. `"reimage"` is for a model whose image
            has no version (`latest`, or a gallery image without one). It reimages the instances
            that run an older version than the region's newest at the start of the run. For a
            platform image the request names that version, and a rollback reimages to the old one.
            For a gallery image `on_failure="rollback"` is rejected.

    Returns:
        An iterator of events (`kind`, `message`, `batch`, `instance_ids`, counts, `time`); each
        prints as a line.

    Raises:
        ValueError: An argument is invalid; nothing was changed.
        NotFound: The scale set does not exist.
        RolloutHalted: The set is not in upgrade mode Manual, or something went wrong. It has the
            reason, the unhealthy instances and what was done; `rolled_back` is true after a
            rollback. Calling `rollout` again resumes.
        AzureError: Azure rejected a request before anything was changed.
        requests.ConnectionError, requests.Timeout: Azure could not be reached before anything was
            changed.

    Azure: Virtual Machine Scale Sets - Update Instances; Reimage; with `surge` also Update and
    Delete Instances.
    """
    from .actions import for_method
    from .options import RolloutOptions
    from .run import run
    from .state import RolloutState, ScaleSetRef

    if capacity is not None and surge is None:
        raise ValueError(f"capacity={capacity!r} requires surge, the number of extra instances")
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
        capacity=capacity,
        on_failure=on_failure,
        rollback_image=rollback_image,
        auxiliary_tokens=auxiliary_tokens,
        dry_run=dry_run,
        action=for_method(method),
    )
    scale_set = ScaleSetRef(access_token, subscription_id, resource_group, vmss_name)
    return run(RolloutState(scale_set, options))


def roll(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    action: str | Callable[[list[Instance]], Response | None],
    *,
    script: str | None = None,
    parameters: Mapping[str, str] | None = None,
    command_id: str = "RunShellScript",
    check_output: Callable[[str, CommandOutput], object] | None = None,
    pending: Callable[[Instance], object] | None = None,
    since: datetime | str | None = None,
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
    capacity: int | None = None,
    dry_run: bool = False,
) -> Iterator[Event]:
    """Run an action on a scale set's instances, one batch at a time, with the checks of a rollout.

    The for loop over the events is the run, and leaving the loop pauses it. Azure holds the only
    state. After `restart`, `redeploy` and `reimage` that is the time of the last operation on each
    instance: pass the `since` of an earlier run to resume it. Any other operation on an instance
    changes that time too, and this computer's clock should agree with Azure's. Azure keeps no
    record of scripts and of your own functions: pass `pending`, or each run does all instances.
    Such an action may run twice on an instance if the response to its request is lost.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one. Pass a callable if
            the call may outlast a single token.
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.
        action: `"restart"`, `"redeploy"`, `"reimage"` (every instance, from the image of its own
            model), `"run_command"` (with `script`); or a function that is called with the instances
            of a batch and returns the response of an operation to follow, or `None`.
        script: The script of `"run_command"`, as for `run_command`.
        parameters: The parameters of the script, `{name: value}`.
        command_id: `RunShellScript`, or `RunPowerShellScript` for Windows.
        check_output: Custom check of a script's output. It is called with the instance id and a
            `CommandOutput`; `False`, a string (the reason) or an exception means failed.
        pending: Function that returns whether an instance still needs the action. It is called for
            each instance each time instances are read. A batch is done when it returns `False` for
            its instances. `None`: the times of the instances decide.
        since: A `datetime` with its offset, or the same as text in ISO 8601. Instances whose last
            operation ended since then are skipped; `None` for the start of this run.
        by: How to form batches, as for `rollout`.
        only: Domains (whole numbers) or instance ids (strings), as for `rollout`.
        max_batch: The largest batch, as for `rollout`.
        canary: The largest size of the first batch, as for `rollout`.
        canary_bake: Seconds for which the first batch must stay healthy; `None` for `bake`.
        pause: Seconds to pause between batches, or a callable, as for `rollout`.
        bake: Seconds for which a finished batch must stay healthy before the next one starts.
        check: Custom health check, as for `rollout`.
        health_timeout: Seconds to wait for a batch to become healthy, as for `rollout`.
        max_unhealthy: How many instances outside a batch may be unhealthy when it starts, as for
            `rollout`.
        surge: How many extra instances to run meanwhile, as for `rollout`. Not for `"run_command"`
            and functions, because the action would not reach the new instances.
        capacity: With `surge`: the number of instances at the end, as for `rollout`.
        dry_run: Only read: the events report what would be done, and what would prevent it.

    Returns:
        An iterator of events, as of `rollout`.

    Raises:
        ValueError: An argument is invalid; nothing was changed.
        NotFound: The scale set does not exist.
        RolloutHalted: Something went wrong. It has the reason, the unhealthy instances, what was
            done, and how to resume.
        AzureError: Azure rejected a request before anything was changed.
        requests.ConnectionError, requests.Timeout: Azure could not be reached before anything was
            changed.

    Azure: Virtual Machine Scale Sets - Restart, Redeploy, Reimage; Virtual Machine Scale Set VMs -
        Run Command; for members of Flexible sets those of Virtual Machines.
    """
    from .actions import for_roll
    from .options import RolloutOptions
    from .run import run
    from .state import RolloutState, ScaleSetRef

    if not isinstance(dry_run, bool):
        raise ValueError(f"dry_run must be True or False, not a {type(dry_run).__name__}")
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
        capacity=capacity,
        dry_run=dry_run,
        action=for_roll(
            action,
            pending=pending,
            since=since,
            script=script,
            parameters=parameters,
            command_id=command_id,
            check_output=check_output,
        ),
    )
    scale_set = ScaleSetRef(access_token, subscription_id, resource_group, vmss_name)
    return run(RolloutState(scale_set, options))


def rollback(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    *,
    image: Image | None = None,
    by: CountOrPercentage = "update_domain",
    max_batch: CountOrPercentage | None = None,
    pause: float | Callable[[Batch], object] = 0,
    bake: float = 0,
    check: Callable[[list[Instance]], object] | None = None,
    health_timeout: float = 1800,
    max_unhealthy: CountOrPercentage = 0,
    auxiliary_tokens: Sequence[Token] = (),
    capacity: int | None = None,
) -> Iterator[Event]:
    """Roll a scale set's model and its instances back to an image, batch by batch.

    The model is put with `If-Match`, so that no concurrent change is overwritten. Once the model
    has the old image, call `rollout` to resume a rollback that was interrupted.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one. Pass a callable if
            the call may outlast a single token.
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.
        image: The image to roll back to, as `get_image` returns it; `None` for the image that the
            outdated instances run, if all of them run the same, not newer than the model's.
        by: How to form batches, as for `rollout`.
        max_batch: The largest batch, as for `rollout`.
        pause: Seconds to pause between batches, or a callable, as for `rollout`.
        bake: Seconds for which a finished batch must stay healthy before the next one starts.
        check: Custom health check, as for `rollout`.
        health_timeout: Seconds to wait for a batch to become healthy, as for `rollout`.
        max_unhealthy: How many instances already back on the old image may be unhealthy when a
            batch starts: a number, or a percentage of the set such as `"20%"`.
        auxiliary_tokens: Tokens of other tenants, at most three, to put an image of another tenant.
        capacity: The number of instances at the end, after a rollout with `surge`. Instances above
            it are deleted by their ids instead of being rolled back. `None` to leave it unchanged.

    Returns:
        An iterator of events, as of `rollout`.

    Raises:
        ValueError: An argument is invalid, or the image to roll back to cannot be determined;
            nothing was changed.
        NotFound: The scale set does not exist.
        RolloutHalted: Something went wrong, or another client changed the model. It has the reason,
            and which instances run which image.
        AzureError: Azure rejected a request before anything was changed.
        requests.ConnectionError, requests.Timeout: Azure could not be reached before anything was
            changed.

    Azure: Virtual Machine Scale Sets - Create Or Update; Update Instances.
    """
    from ..images import check_image
    from .options import RolloutOptions
    from .run import run
    from .state import RolloutState, ScaleSetRef

    if image is not None:
        check_image("image", image)
    options = RolloutOptions(
        by=by,
        max_batch=max_batch,
        pause=pause,
        bake=bake,
        check=check,
        health_timeout=health_timeout,
        max_unhealthy=max_unhealthy,
        capacity=capacity,
        rollback_image=image,
        auxiliary_tokens=auxiliary_tokens,
    )
    scale_set = ScaleSetRef(access_token, subscription_id, resource_group, vmss_name)
    return run(RolloutState(scale_set, options, is_rollback=True))


def follow_rolling_upgrade(
    access_token: Token,
    subscription_id: str,
    resource_group: str,
    vmss_name: str,
    *,
    timeout: float = 21600,
) -> Iterator[Event]:
    """Follow the rolling upgrade that Azure runs on a scale set in upgrade mode Rolling.

    Following changes nothing. Leaving the loop does not stop the upgrade; use
    `cancel_rolling_upgrade` for that.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one. Pass a callable if
            the call may outlast a single token.
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.
        timeout: Seconds to wait for the end of the upgrade.

    Returns:
        An iterator of the same events as of `rollout`. `batch` is always `None`, because Azure does
        not report its batches.

    Raises:
        ValueError: An argument is invalid; nothing was sent.
        NotFound: The scale set does not exist.
        RolloutHalted: The rolling upgrade was cancelled or failed, with Azure's reason, or has not
            ended in time.
        AzureError: Azure rejected a request.

    Azure: Virtual Machine Scale Set Rolling Upgrades - Get Latest.
    """
    from .options import RolloutOptions
    from .rolling_upgrade import follow
    from .state import RolloutState, ScaleSetRef

    check_seconds("timeout", timeout)
    scale_set = ScaleSetRef(access_token, subscription_id, resource_group, vmss_name)
    return follow(RolloutState(scale_set, RolloutOptions(health_timeout=timeout)))
