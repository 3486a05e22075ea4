"""The sentences of a rollout: what its events and its halts say."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from .._text import join_ids, plural
from ..types import Batch
from .actions import UPGRADE_WORDS, Words

HEALTH_NOT_REPORTED = "application health not reported yet"
MODEL_CHANGED = "Somebody changed the scale set's model since this rollout began"
RUN_AGAIN = "Run it again to resume"
ACCESS_STAYS_HERE = (
    "access_token: a token is not sent to other processes, which could not renew it: give a"
    " provider, such as token_provider() returns"
)
NOTHING_TO_ROLL_BACK_TO = (
    "a failure will halt and not roll back: the instances that are due run the model's image"
    " already, and other changes of a model are not put back"
)
FOLLOWING = "following the rolling upgrade that Azure runs"
EXPLICIT_VERSION_REFUSED = (
    "automatic OS upgrades are on, and Azure then takes no image with an explicit version: set"
    " upgradePolicy.automaticOSUpgradePolicy.enableAutomaticOSUpgrade to false first"
)
PLAN_CHANGE_REFUSED = (
    "the set has a purchase plan, which Azure does not change: an image of another publisher, offer"
    " or SKU needs a new set"
)
MANAGED_IMAGE_REFUSED = (
    "the set has the security type TrustedLaunch, for which Azure takes no managed image: use an"
    " image of a gallery"
)
START_ANOTHER = "start_os_upgrade, or any change of the model, begins another"
GALLERY_HAS_NO_WAY_BACK = (
    "on_failure: Azure documents no reimage to an exact version for gallery images, so that a"
    " failure could not be rolled back: leave on_failure out, or put a version into the model and"
    " use the method upgrade"
)
MODEL_STAYS_FLOATING = (
    "the model still asks for the newest version: new instances get it, and so does another run;"
    " put the old version into the model to stay on it"
)
NOTHING_BEING_UPDATED = "no instance is being updated"

_MODES = {
    "automatic": "Azure upgrades all of it at once when its model changes. Set upgradePolicy.mode"
    " to Manual first.",
    "rolling": "Azure upgrades it by itself when its model changes: watch that with"
    " follow_rolling_upgrade, or set upgradePolicy.mode to Manual first.",
}
_SHOWN_UNHEALTHY = 10
_LONGEST = 300
_SHOWN_WAITING = 3


# Problems of instances


def provisioning(state: str) -> str:
    """Return the reason of an instance whose provisioning has not succeeded."""
    return f"provisioning {state}"


def provisioning_failed(code: str, message: str) -> str:
    """Return the reason of an instance whose provisioning failed, in Azure's words."""
    parts = [part for part in (code, shorten(message)) if part]
    return ": ".join(["provisioning failed", *parts])


def shorten(text: str) -> str:
    """Return a text on one line, of a length that people read."""
    return textwrap.shorten(text, _LONGEST, placeholder=" ...")


def application_health(health: str) -> str:
    """Return the reason of an instance that reports another health than healthy."""
    return f"application health {health}"


def power(now: str | None, before: str) -> str:
    """Return the reason of an instance that is not in the power state it had."""
    return f"power state {now or 'unknown'}, was {before}"


def check_failed(reason: str) -> str:
    """Return the reason of an instance whose batch fails the caller's check."""
    return f"check: {reason}"


# The set and its instances


def wrong_mode(name: str, mode: str) -> str:
    """Return why a set in another upgrade mode than Manual is refused."""
    return f"{name} is in upgrade mode {mode}: {_MODES[mode.lower()]}"


def is_refused_mode(mode: str) -> bool:
    """Return whether sets in an upgrade mode are refused."""
    return mode.lower() in _MODES


def image_of_another_tenant(name: str) -> str:
    """Return why an image cannot be put with the token alone."""
    return f"the image {name} is of another tenant: give a token of that tenant in auxiliary_tokens"


def no_profile(name: str) -> str:
    """Return why a Flexible set without a profile is refused."""
    return f"{name} has no virtualMachineProfile, so no model: there is nothing to roll out"


def model_unknown(count: int) -> str:
    """Return how many members cannot be said to have the model."""
    return (
        f"Azure does not report whether {plural(count, 'member')} of this Flexible set"
        f" {'has' if count == 1 else 'have'} the current model: upgraded all the same, which"
        " leaves a current one as it is"
    )


def set_busy(name: str, state: str) -> str:
    """Return what is said while an operation on the set itself runs."""
    return f"{name} is {state}: waiting for that to end"


def set_still_busy(name: str, state: str, seconds: float) -> str:
    """Return the reason of a halt when an operation on the set does not end."""
    return f"{name} is still {state} after {seconds:g} s"


def instances_busy(ids: Sequence[str]) -> str:
    """Return which instances are being updated."""
    return f"{plural(len(ids), 'instance')} being updated ({join_ids(ids)})"


def waiting_for_instances(ids: Sequence[str]) -> str:
    """Return what is said while instances are being updated."""
    return f"{instances_busy(ids)}: waiting for that to end"


def instances_still_busy(ids: Sequence[str], seconds: float) -> str:
    """Return the reason of a halt when updates do not end."""
    return f"{instances_busy(ids)} still after {seconds:g} s"


def waiting_for_created(ids: Sequence[str]) -> str:
    """Return the text of an event while instances are being created."""
    return f"{plural(len(ids), 'instance')} being created ({join_ids(ids)}): waiting"


def still_being_created(ids: Sequence[str], seconds: float) -> str:
    """Return the reason of a halt when instances stay in creation."""
    return (
        f"{plural(len(ids), 'instance')} still being created after {seconds:g} s ({join_ids(ids)})"
    )


def would_wait(ids: Sequence[str]) -> str:
    """Return what a dry run says of instances that are being updated."""
    return f"{instances_busy(ids)}: the rollout would wait for that to end"


def runs_what(count: int, ids_by_image: Mapping[str, Sequence[str]]) -> str:
    """Return which instances run which image."""
    if len(ids_by_image) == 1:
        return f"all {plural(count, 'instance')} run {next(iter(ids_by_image))}"
    return "; ".join(
        f"{plural(len(ids), 'instance')} ({join_ids(ids)}) on {name}"
        for name, ids in ids_by_image.items()
    )


# Reimaging to the newest version


def image_has_version(name: str) -> str:
    """Return why a model whose image is one version is not refreshed."""
    return (
        f"method: 'reimage' is for a model without a version, and this one has {name}: use the"
        " method 'upgrade'"
    )


def other_image(ids: Sequence[str]) -> str:
    """Return why instances cannot be refreshed that have another image than the model."""
    return (
        f"method: {plural(len(ids), 'instance')} ({join_ids(ids)}) not on the model's image, and a"
        " reimage installs their own: bring them to the model first, with the method 'upgrade'"
    )


def rollback_to_other_image(name: str) -> str:
    """Return why an image cannot be rolled back to by a reimage."""
    return f"rollback_image: {name} is not a version of the model's image"


def wanted_version(version: str) -> str:
    """Return the version that instances are brought to."""
    return f"the wanted version is {version}"


def version_unknown(ids: Sequence[str]) -> str:
    """Return which instances cannot be said to have the version."""
    return (
        f"Azure does not report the exact version of {plural(len(ids), 'instance')}"
        f" ({join_ids(ids)}): reimaged all the same, once in each run"
    )


# Actions of the caller's


def pending_failed(instance_id: str, reason: str) -> str:
    """Return the reason of a halt when the caller's `pending` raises."""
    return f"pending failed for instance {instance_id}: {reason}"


def action_failed(reason: str) -> str:
    """Return the reason of a halt when the caller's action raises."""
    return f"the action failed: {reason}"


def output(instance_id: str, text: str) -> str:
    """Return what a script printed on an instance."""
    return f"{instance_id}: {shorten(text) or 'no output'}"


def outputs_rejected(batch: Batch) -> str:
    """Return the reason of a halt when outputs do not pass the caller's check."""
    return f"{batch.name}: the output of the script does not pass check_output"


def counts_since(since: datetime) -> str:
    """Return which instances count as done."""
    return f"instances whose last operation ended since {since.isoformat()} count as done"


def run_again_since(since: datetime) -> str:
    """Return how to go on with a run that goes by the instances' times."""
    return f"Run it again with since='{since.isoformat()}' to resume"


def run_again_with(ids: Sequence[str]) -> str:
    """Return how to go on with a run of which Azure keeps no trace."""
    return (
        "Azure does not note on which instances this was done: run it again with pending, or with"
        f" only= the instances that are left ({join_ids(ids)})"
    )


# Retries


def trying_again(reason: str) -> str:
    """Return why a reading is repeated."""
    return f"{reason}: trying again"


def asking_again(reason: str) -> str:
    """Return why a write is repeated."""
    return f"{reason}: asking again"


def pausing_for(message: str, seconds: float) -> str:
    """Return a message with how long the pause is."""
    return f"{message} in {seconds:.0f} s"


# A batch


def of_batch(batch: Batch, text: str) -> str:
    """Return a text about a batch."""
    return f"{batch.name}: {text}"


def upgrading(batch: Batch, words: Words = UPGRADE_WORDS) -> str:
    """Return what is said when the operation on a batch starts."""
    ids = batch.instance_ids
    return f"{batch.name}: {words.doing} {plural(len(ids), 'instance')} ({join_ids(ids)})"


def without_vanished(batch: Batch, ids: Sequence[str]) -> str:
    """Return what is said when instances of a batch are no longer there."""
    return f"{batch.name}: without {join_ids(ids)}, gone meanwhile"


def operation_status(status: str, seconds: float, trouble: str) -> str:
    """Return the state of an operation."""
    more = f" ({trouble})" if trouble else ""
    return f"{status}, {seconds:.0f} s{more}"


def operation_unreadable(reason: str) -> str:
    """Return what is said when an operation cannot be read."""
    return f"{reason}: looking at the result instead"


def preempted(batch: Batch, reason: str) -> str:
    """Return what is said when another write ended the upgrade of a batch."""
    return f"{batch.name}: {reason}: another write came first; upgrading again what is left of it"


def operation_failed(message: str, code: str) -> str:
    """Return the reason of a halt in Azure's words."""
    return f"{message} ({code})"


def batch_waiting(batch: Batch, reasons: Mapping[str, str]) -> str:
    """Return what is said while instances of a batch are not as they should be."""
    shown = list(reasons.items())[:_SHOWN_WAITING]
    listed = ", ".join(f"{instance_id}: {reason}" for instance_id, reason in shown)
    return f"{batch.name}: waiting for {plural(len(reasons), 'instance')} ({listed})"


def batch_unhealthy(batch: Batch, timeout: float | None) -> str:
    """Return the reason of a halt when a batch does not become healthy."""
    after = "" if timeout is None else f" after {timeout:g} s"
    return f"{batch.name} is not healthy{after}"


def baking(batch: Batch, seconds: float) -> str:
    """Return what is said while a batch bakes."""
    return f"{batch.name}: healthy; watched for {seconds:.0f} s more"


def bake_failed(batch: Batch, seconds: float) -> str:
    """Return the reason of a halt when a batch does not stay healthy."""
    return f"{batch.name} did not stay healthy for {seconds:g} s"


def batch_done(
    batch: Batch, latest: int, total: int, vanished: int, words: Words = UPGRADE_WORDS
) -> str:
    """Return what is said at the end of a batch."""
    gone = f" ({vanished} vanished)" if vanished else ""
    return f"{batch.name}: done; {latest} of {total} instances {words.have}{gone}"


def others_unhealthy(batch: Batch, count: int, allowed: int) -> str:
    """Return how many instances outside a batch are unhealthy."""
    return f"{plural(count, 'instance')} outside {batch.name} unhealthy, where {allowed} may be"


def waiting_for_others(reason: str) -> str:
    """Return what is said while instances outside a batch may still become healthy."""
    return f"{reason}: waiting for them"


def others_healthy(batch: Batch) -> str:
    """Return what a dry run says when the first batch could start."""
    return f"{batch.name}: what is outside it is healthy enough to begin"


# Between batches


def asking_whether_to_go_on(batch: Batch) -> str:
    """Return what is said before the caller's `pause` is called."""
    return f"{batch.name} is done: asking whether to go on"


def pausing_before(batch: Batch, seconds: float) -> str:
    """Return what is said during a pause."""
    return f"pausing {seconds:.0f} s before {batch.name}"


# The beginning and the end


def started(total: int, pending: int, batches: int, words: Words = UPGRADE_WORDS) -> str:
    """Return what is to be done."""
    parts = f" in {plural(batches, 'batch')}" if batches else ""
    return f"{plural(total, 'instance')}, {pending} to {words.verb}{parts}"


def skipping(ids: Sequence[str], reason: str) -> str:
    """Return which instances are left out."""
    return f"skipping {plural(len(ids), 'instance')} {reason}: {join_ids(ids)}"


def ended(
    latest: int,
    total: int,
    upgraded: int,
    seconds: float,
    how: str = "",
    *,
    words: Words = UPGRADE_WORDS,
) -> str:
    """Return how far a run came."""
    outdated = total - latest
    parts = [f"{latest} of {plural(total, 'instance')} {words.have}"]
    if outdated:
        parts.append(f"{outdated} {words.remaining}")
    beginning = f"{how}; " if how else ""
    return f"{beginning}{', '.join(parts)}; {upgraded} {words.done} in {seconds:.0f} s"


def stopped_after(batch: Batch) -> str:
    """Return how a run that a pause ended came to its end."""
    return f"stopped after {batch.name}"


def halted(
    reason: str,
    unhealthy: Mapping[str, str],
    progress: tuple[int, int, int] | None,
    advice: str,
    words: Words = UPGRADE_WORDS,
) -> str:
    """Return the message of a halt: what went wrong, how far the run came, what to do.

    `progress` is how many instances were upgraded, are outdated and are in the set; `None` if they
    were never read.
    """
    parts = [halt_reason(reason, unhealthy)]
    if progress is not None:
        upgraded, outdated, total = progress
        parts.append(f"{upgraded} {words.done} by this run, {outdated} of {total} still to do")
        parts.append(advice)
    return ". ".join(parts) + "."


def halt_reason(reason: str, unhealthy: Mapping[str, str]) -> str:
    """Return why a run halted, with the first of the unhealthy instances."""
    reason = reason.rstrip(". ")
    if not unhealthy:
        return reason
    shown = list(unhealthy.items())[:_SHOWN_UNHEALTHY]
    return f"{reason}: " + ", ".join(
        f"instance {instance_id}: {problem}" for instance_id, problem in shown
    )


# Extra capacity


def run_again(capacity: int | None) -> str:
    """Return what to do after a halt: run it again, with the capacity that the set is to have."""
    if capacity is None:
        return RUN_AGAIN
    return f"Run it again with capacity={capacity} to resume"


def with_capacity(text: str, capacity: int | None) -> str:
    """Return a text with the capacity that the set is to have in the end."""
    if capacity is None:
        return text
    return f"{text}; capacity={capacity}"


def too_many_surplus(capacity: int, found: int, most: int) -> str:
    """Return why a capacity is refused that would delete more instances than were added."""
    return (
        f"capacity={capacity}: the set has {plural(found, 'instance')}, and a rollout adds at most"
        f" {most}: give the capacity that the set had before"
    )


def surge_planned(created: int, deleted: int, now: int, capacity: int) -> str:
    """Return what extra capacity a rollout takes."""
    parts = []
    if created:
        parts.append(f"{plural(created, 'new instance')} first ({now} to {now + created})")
    if deleted:
        parts.append(f"{plural(deleted, 'instance')} deleted at the end")
    what = ", ".join(parts) or "no extra instances"
    return f"{what}; to resume after an interruption, run it again with capacity={capacity}"


def planned_creation(batch: Batch, number: int) -> str:
    """Return the creation of instances in a dry run."""
    return f"{batch.name}: {plural(number, 'instance')}"


def surge_estimate(created: int, most: int, seconds: float, each: float) -> str:
    """Return what a dry run says of the extra capacity: how much, and for how long."""
    return (
        f"up to {plural(most, 'instance')}, {created} of them extra, for about"
        f" {seconds / 60:.0f} min (estimated with {each:.0f} s for each step)"
    )


def autoscaled(names: Sequence[str]) -> str:
    """Return what is said of a set that autoscale settings change."""
    return (
        f"autoscale ({', '.join(names)}) is on for this set: it may add or remove instances"
        " meanwhile, and at the end there are as many as the capacity says"
    )


def autoscale_unknown(reason: str) -> str:
    """Return what is said if the autoscale settings cannot be read."""
    return f"cannot read whether autoscale is on for this set ({reason})"


def waiting_until_settled(ids: Sequence[str]) -> str:
    """Return what is said while instances come or go."""
    return f"{plural(len(ids), 'instance')} being created or deleted ({join_ids(ids)}): waiting"


def still_unsettled(ids: Sequence[str], seconds: float) -> str:
    """Return the reason of a halt when instances neither come nor go."""
    return (
        f"{plural(len(ids), 'instance')} still being created or deleted ({join_ids(ids)}) after"
        f" {seconds:g} s"
    )


def creating(batch: Batch, number: int, capacity: int) -> str:
    """Return what is said when the capacity is raised."""
    text = f"creating {plural(number, 'instance')}, capacity {capacity} to {capacity + number}"
    return f"{batch.name}: {text}"


def waiting_for_count(found: int, wanted: int, passing: Sequence[str]) -> str:
    """Return what is said until the set has as many instances as its model says."""
    more = f", {len(passing)} of them being created or deleted" if passing else ""
    return f"{plural(found, 'instance')} of {wanted}{more}: waiting"


def wrong_count(found: int, wanted: int, seconds: float) -> str:
    """Return the reason of a halt when the set does not come to its capacity."""
    return f"The set has {plural(found, 'instance')} and not {wanted} after {seconds:g} s"


def undoing_creation(batch: Batch, reason: str) -> str:
    """Return what is said before new instances are deleted again."""
    return f"{batch.name}: {reason}: deleting what was made"


def creation_undone(reason: str, made: int, capacity: int) -> str:
    """Return the reason of a halt after a creation that failed and was undone."""
    deleted = f"{plural(made, 'new instance')} deleted again" if made else "no instance was made"
    return f"{reason.rstrip('. ')}. Capacity {capacity} as before, {deleted}"


def creation_not_undone(reason: str, error: str) -> str:
    """Return the reason of a halt after a creation that failed and could not be undone."""
    return f"{reason.rstrip('. ')}. What was made could not be deleted: {error}"


def deleting(batch: Batch, capacity: int) -> str:
    """Return what is said when instances are deleted."""
    ids = batch.instance_ids
    if not ids:
        return f"{batch.name}: setting the capacity to {capacity}, which deletes no instance"
    return f"{batch.name}: deleting {plural(len(ids), 'instance')} ({join_ids(ids)})"


def still_there(batch: Batch, ids: Sequence[str]) -> str:
    """Return what is said while deleted instances are still there."""
    return f"{batch.name}: {plural(len(ids), 'instance')} ({join_ids(ids)}) still there"


def deleted(batch: Batch, total: int) -> str:
    """Return what is said after a deletion."""
    return f"{batch.name}: done; {plural(total, 'instance')}"


def all_protected(surplus: int, deletable: int, capacity: int) -> str:
    """Return the reason of a halt when too few instances may be deleted."""
    return (
        f"{plural(surplus, 'instance')} above the capacity of {capacity}, and only {deletable} may"
        " be deleted: the others are protected, or not chosen by only"
    )


def cannot_lower(live: int, capacity: int) -> str:
    """Return the reason of a halt when lowering the capacity would delete instances."""
    return (
        f"The set has {plural(live, 'instance')}: lowering its capacity to {capacity} would delete"
        " some that Azure picks"
    )


# A dry run


def mode_is_manual(name: str, state: str) -> str:
    """Return what a dry run says of the set."""
    return f"{name} is in upgrade mode Manual and {state}"


def state_of_set(name: str, state: str) -> str:
    """Return what a dry run says of a set whose upgrade mode does not matter."""
    return f"{name} is {state}"


def would_roll_back_to(image: str) -> str:
    """Return what a dry run says of the rollback."""
    return f"after a failure it would go back to {image}"


def planned(batch: Batch) -> str:
    """Return a batch of a dry run."""
    ids = batch.instance_ids
    return f"{batch.name}: {plural(len(ids), 'instance')} ({join_ids(ids)})"


def dry_run_done(requests: int) -> str:
    """Return how many requests a rollout would send."""
    return (
        f"dry run: nothing was changed; a rollout would send {requests} requests, and polls while"
        " Azure works"
    )


# The rollback


def rolling_back(reason: str, image: str) -> str:
    """Return what is said when a rollback starts."""
    why = f"{reason}: " if reason else ""
    return f"{why}going back to {image}"


def rolled_back(reason: str, runs: str) -> str:
    """Return the message of a halt after a rollback."""
    return f"{reason}. Rolled back: {runs}."


def rollback_halted(reason: str, halt: str, runs: str) -> str:
    """Return the message of a halt when the rollback halted as well."""
    return f"{reason}. The rollback halted too: {halt} {runs}."


def image_is_back(image: str) -> str:
    """Return what to do once the model asks for the old image again."""
    return f"The model asks for {image} again: rollout() brings the rest to it"


def several_images(ids_by_image: Mapping[str, Sequence[str]]) -> str:
    """Return why no image to roll back to can be inferred for `on_failure`."""
    listed = "; ".join(f"{len(ids)} on {name}" for name, ids in ids_by_image.items())
    return f"on_failure: the instances run several images ({listed}): name one as rollback_image"


def no_version_to_roll_back_to(image: str, argument: str = "rollback_image") -> str:
    """Return why an image that is not one version cannot be rolled back to."""
    return (
        f"{argument} must be given: the instances run {image}, and which version that is, Azure"
        " does not report"
    )


def image_unknown(names: Iterable[str]) -> str:
    """Return why no image to roll back to can be inferred for `rollback`."""
    old = ", ".join(names)
    found = f"run {old}" if old else "run no other image than the model's"
    return f"image must be given: the instances behind the model {found}"


def image_is_older(image: str) -> str:
    """Return why `rollback` refuses when the instances run a newer image than the model's."""
    return (
        f"image must be given: the model has {image}, which is older than what the instances"
        " behind it run. It seems to be put back already: rollout() brings the instances to it."
    )


def image_not_in_model(image: str) -> str:
    """Return the reason of a halt when Azure accepts an image and the model stays as it is."""
    return f"Azure accepted the image {image} twice, but the model still has another"


# Azure's own rolling upgrade


def rolling_status(status: str) -> str:
    """Return Azure's word for a rolling upgrade; it may be `""`, without one."""
    return status or "no rolling upgrade"


def rolling_done(status: str, latest: int, total: int) -> str:
    """Return the message of the end of a rolling upgrade."""
    return (
        f"{rolling_status(status)}; {latest} of {plural(total, 'instance')} have the latest model"
    )


def rolling_timeout(name: str, status: str, seconds: float) -> str:
    """Return the reason of a halt when a rolling upgrade does not end."""
    if not status:
        return f"Azure has not started a rolling upgrade of {name} after {seconds:g} s"
    return f"The rolling upgrade of {name} is still {status} after {seconds:g} s"


def rolling_failed(name: str, status: str, reason: str) -> str:
    """Return the reason of a halt when a rolling upgrade did not complete."""
    return f"Azure's rolling upgrade of {name} ended {status}{reason}"
