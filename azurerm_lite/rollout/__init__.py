"""Plan a rollout, run it batch by batch with checks, and roll it back.

Azure is the only state. `latestModelApplied` on each instance says what is left, so a rollout that
ended early is resumed by starting it again.
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
    """What `rollout` would upgrade together, in order; nothing is sent.

    Instances that have the latest model, are protected from scale-set actions (unless `only` names
    them), are being created or are being deleted are left out.

    Args:
        instances: All instances of the set with their instance views, as `get_instance_views`
            returns them.
        by: What makes a batch: `"update_domain"`, `"fault_domain"`, `"zone"`, a number of
            instances, or a percentage of the set such as `"20%"`. Where Azure gives no update
            domains, `"update_domain"` takes zone after zone, and at most a fifth of the set at a
            time, as Azure's own rolling upgrades do.
        only: Domains (whole numbers) or instance ids (strings), one or several, to which the
            rollout keeps; `None` for all.
        max_batch: The most instances at a time: a domain that has more is taken in parts. A number,
            a percentage of the set, or `None` for no limit.
        canary: The most instances of the first batch: a number, a percentage of the set, or `None`
            for a first batch like the others.

    Returns:
        Batches (`name`, `instance_ids`): domains ascending, ids in numeric order. Instances for
        which Azure gives no domain come last, no more at a time than the largest domain has.

    Raises:
        ValueError: An argument is none of these; `instances` are no instances; `only` names what
            the set does not have; or no instance has such a domain.
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

    The for loop over the events is the rollout.

    Nothing is sent before the first `next`; leaving the loop pauses the rollout, calling again
    resumes it. Never is more than one batch under way. A batch is done when its operation succeeded
    and each of its instances has the latest model, is provisioned, is in the power state it had
    and, where it reports application health, is healthy.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one (which outlives a
            single token).
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.
        by: What makes a batch: `"update_domain"`, `"fault_domain"`, `"zone"`, a number of
            instances, or a percentage of the set such as `"20%"`. Where Azure gives no update
            domains, `"update_domain"` takes zone after zone, and at most a fifth of the set at a
            time, as Azure's own rolling upgrades do.
        only: Domains (whole numbers) or instance ids (strings), one or several, to which the
            rollout keeps; `None` for all.
        max_batch: The most instances at a time: a domain that has more is taken in parts. A number,
            a percentage of the set, or `None` for no limit.
        canary: The most instances of the first batch of this run: a number, a percentage of the
            set, or `None` for a first batch like the others.
        canary_bake: Seconds for which the first batch is watched; `None` for `bake`.
        pause: Seconds to pause between two batches; or a callable that is given the batch that is
            done and returns whether to go on.
        bake: Seconds for which a batch that is done must stay healthy before the next begins.
        check: Your own check of a batch: it is given its instances, and is not content when it
            returns `False` or a text that says why, or raises. It is asked again until
            `health_timeout`, and during `bake`.
        health_timeout: Seconds within which a batch must be done; also how long anything else is
            waited for: another operation, throttling, a network that is down.
        max_unhealthy: How many instances outside a batch may be unhealthy when it begins: a number,
            or a percentage of the set such as `"20%"`.
        surge: How many instances more than the capacity there are meanwhile: a number, or a
            percentage of the capacity such as `"20%"`. The new ones are made first, and verified
            and baked like a canary; then the old ones are upgraded in batches of at most as many;
            the last ones are deleted by their ids instead. `None` for no extra instances.
        capacity: With `surge`: how many instances there are to be in the end; `None` for the
            capacity when the run begins. To resume a run that was cut off, give the number that
            its events have.
        on_failure: `"stop"`, or `"rollback"` to put the old image back when a batch fails: into the
            model, and onto the instances that were upgraded, in the same order and under the same
            checks.
        rollback_image: The image to go back to, as `get_image` returns it; `None` for the one that
            the instances which are due still run.
        auxiliary_tokens: Tokens of other tenants, at most three, for the put of an image that
            belongs to another tenant.
        dry_run: Only read: the events say what would be done, and what stands in its way. `True`,
            or a model that is about to be put, as `set_image` gives it, to plan as if every
            instance were behind that.
        method: `"upgrade"` brings instances to the model. `"reimage"` is for a model whose image
            has no version (`latest`, or a gallery image without one): it reimages the instances
            that run an older version than the newest of the region at the start of the run. Of a
            platform image that version is named to Azure, and a rollback reimages to the old one;
            for gallery images a rollback is refused beforehand.

    Returns:
        An iterator of events (`kind`, `message`, `batch`, `instance_ids`, counts, `time`); each
        prints as a line.

    Raises:
        ValueError: An argument cannot be used; nothing was changed.
        NotFound: There is no such scale set.
        RolloutHalted: The set is not in upgrade mode Manual, or something went wrong: what, for
            which instances, and what was done; `rolled_back` says whether that was put back.
            Calling again goes on from there.
        AzureError: Azure refused before anything was changed.
        requests.ConnectionError, requests.Timeout: Azure did not answer, before anything was
            changed.

    Azure: Virtual Machine Scale Sets - Update Instances; Reimage; with `surge` also Update and
    Delete Instances.
    """
    from .actions import for_method
    from .options import RolloutOptions
    from .run import run
    from .state import RolloutState, ScaleSetRef

    if capacity is not None and surge is None:
        raise ValueError(
            f"capacity={capacity!r} needs surge: how many extra instances there may be"
        )
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
    """Do something to a scale set's instances, one batch at a time, with the checks of a rollout.

    The for loop over the events does it. Leaving the loop pauses the run. Azure holds the only
    state: after `restart`, `redeploy` and `reimage` it is the time of the last operation on each
    instance, so that `since` of an earlier run goes on with that. Any other operation on an
    instance moves that time as well, and this computer's clock should agree with Azure's. Of a
    script and of a function of yours Azure keeps no trace: give `pending`, or each run does all.
    Such an action may come twice to an instance if the answer to its request is lost.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one (which outlives a
            single token).
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.
        action: `"restart"`, `"redeploy"`, `"reimage"` (of every instance, from the image of its own
            model), `"run_command"` (with `script`); or a function that is given the instances of a
            batch and returns the response of an operation to follow, or `None`.
        script: The script of `run_command`, as for `run_command`.
        parameters: Its parameters, `{name: value}`.
        command_id: `RunShellScript`, or `RunPowerShellScript` for Windows.
        check_output: Your check of what the script printed: it is given the instance id and a
            `CommandOutput`, and fails if it returns `False` or a text that says why, or raises.
        pending: Returns whether an instance still needs the action. It is called for each instance
            at each reading, and a batch is done when it returns `False` for its instances; `None`
            if the instances' times decide.
        since: A time with its offset, a `datetime` or text in ISO 8601: instances to which the
            action was done since then are left out; `None` for the start of this run.
        by: What makes a batch, as for `rollout`.
        only: Domains (whole numbers) or instance ids (strings), as for `rollout`.
        max_batch: The most instances at a time, as for `rollout`.
        canary: The most instances of the first batch, as for `rollout`.
        canary_bake: Seconds for which the first batch is watched; `None` for `bake`.
        pause: Seconds to pause between two batches, or a callable, as for `rollout`.
        bake: Seconds for which a batch that is done must stay healthy before the next begins.
        check: Your own check of a batch, as for `rollout`.
        health_timeout: Seconds within which a batch must be done, as for `rollout`.
        max_unhealthy: How many instances outside a batch may be unhealthy when it begins, as for
            `rollout`.
        surge: How many instances more than `capacity` there are meanwhile, as for `rollout`.
            Not for `"run_command"` and functions, which new instances would lack.
        capacity: How many instances there are to be in the end, as for `rollout`.
        dry_run: Only read: the events say what would be done, and what stands in its way.

    Returns:
        An iterator of events, as of `rollout`.

    Raises:
        ValueError: An argument cannot be used; nothing was changed.
        NotFound: There is no such scale set.
        RolloutHalted: Something went wrong: what, for which instances, what was done, and how to
            go on.
        AzureError: Azure refused before anything was changed.
        requests.ConnectionError, requests.Timeout: Azure did not answer, before anything was
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

    The model is put back only if nobody changes it meanwhile (`If-Match`). Once it asks for the old
    image again, `rollout` is what goes on with a rollback that was cut off.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one (which outlives a
            single token).
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.
        image: The image to go back to, as `get_image` returns it; `None` for the one that the
            instances behind the model still run, where that is one, and not newer than the model's.
        by: What makes a batch, as for `rollout`.
        max_batch: The most instances at a time, as for `rollout`.
        pause: Seconds to pause between two batches, or a callable, as for `rollout`.
        bake: Seconds for which a batch that is done must stay healthy before the next begins.
        check: Your own check of a batch, as for `rollout`.
        health_timeout: Seconds within which a batch must be done, as for `rollout`.
        max_unhealthy: How many instances may be unhealthy that have the old image already, when a
            batch begins: a number, or a percentage of the set such as `"20%"`.
        auxiliary_tokens: Tokens of other tenants, at most three, for the put of an image that
            belongs to another tenant.
        capacity: How many instances there are to be in the end, after a rollout with `surge`: those
            above are deleted by their ids instead of being rolled back. `None` to leave it alone.

    Returns:
        An iterator of events, as of `rollout`.

    Raises:
        ValueError: An argument cannot be used, or which image to go back to cannot be told; nothing
            was changed.
        NotFound: There is no such scale set.
        RolloutHalted: Something went wrong, or somebody changed the model: what, and which instance
            runs what.
        AzureError: Azure refused before anything was changed.
        requests.ConnectionError, requests.Timeout: Azure did not answer, before anything was
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

    Following changes nothing, and leaving the loop stops nothing: that is what
        `cancel_rolling_upgrade` is for.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one (which outlives a
            single token).
        subscription_id: Subscription id.
        resource_group: Resource group name.
        vmss_name: Scale set name.
        timeout: Seconds to follow at most.

    Returns:
        An iterator of events, as of `rollout`, without batches: of those Azure does not tell.

    Raises:
        ValueError: An argument cannot be used; nothing was sent.
        NotFound: There is no such scale set.
        RolloutHalted: The rolling upgrade was cancelled or faulted, in Azure's words, or has not
            ended in time.
        AzureError: Azure refused to tell.

    Azure: Virtual Machine Scale Set Rolling Upgrades - Get Latest.
    """
    from .options import RolloutOptions
    from .rolling_upgrade import follow
    from .state import RolloutState, ScaleSetRef

    check_seconds("timeout", timeout)
    scale_set = ScaleSetRef(access_token, subscription_id, resource_group, vmss_name)
    return follow(RolloutState(scale_set, RolloutOptions(health_timeout=timeout)))
