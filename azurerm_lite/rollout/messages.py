"""The messages of a rollout: of its events, its halts and its errors."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from .._text import duration, join_ids, plural, printable
from ..types import Batch
from .actions import UPGRADE_WORDS, Words

HEALTH_NOT_REPORTED = "application health not reported yet"
MODEL_CHANGED = "Another client changed the scale set's model after this rollout started"
RUN_AGAIN = "Run it again to resume"
PROVIDER_REQUIRED = (
    "access_token must be a token provider, as token_provider() returns it, when the executor uses"
    " other processes: a plain token cannot be renewed there"
)
ROLLBACK_HAS_NO_EFFECT = (
    "on_failure='rollback' has no effect: the pending instances already run the model's image, and"
    " only changes of the image are rolled back"
)
FOLLOWING = "following the rolling upgrade that Azure runs"
EXPLICIT_VERSION_REJECTED = (
    "automatic OS upgrades are on, and Azure then rejects an image with an explicit version: set"
    " upgradePolicy.automaticOSUpgradePolicy.enableAutomaticOSUpgrade to false first"
)
PLAN_CHANGE_REJECTED = (
    "Azure does not change the purchase plan of a scale set: create a new set for an image of"
    " another publisher, offer or SKU"
)
MANAGED_IMAGE_REJECTED = (
    "the set has the security type TrustedLaunch, and Azure then rejects managed images: use a"
    " gallery image"
)
START_ANOTHER = "start_os_upgrade, or any change of the model, starts another one"
NO_GALLERY_ROLLBACK = (
    "on_failure='rollback' is not possible for a gallery image with method='reimage', because Azure"
    " documents no reimage to an exact gallery version: leave on_failure out, or put a version into"
    " the model and use method='upgrade'"
)
MODEL_STAYS_FLOATING = (
    "the model still asks for the newest version: new instances and the next run get it; put the"
    " old version into the model to stay on it"
)
NOTHING_BEING_UPDATED = "no instance is being updated"

_MODES = {
    "automatic": "Azure upgrades all instances at once when the model changes. Set"
    " upgradePolicy.mode to Manual first.",
    "rolling": "Azure upgrades the instances by itself when the model changes. Follow that with"
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
    """Return the reason of an instance whose provisioning failed, with Azure's own message."""
    parts = [part for part in (shorten(code), shorten(message)) if part]
    return ": ".join(["provisioning failed", *parts])


def shorten(text: str) -> str:
    """Return a text on one line, without control characters, cut to 300 characters."""
    return printable(textwrap.shorten(text, _LONGEST, placeholder=" ..."))


def application_health(health: str) -> str:
    """Return the reason of an instance whose application health is not healthy."""
    return f"application health {health}"


def power(now: str | None, before: str) -> str:
    """Return the reason of an instance that is not in the power state it had."""
    return f"power state {now or 'unknown'}, was {before}"


def check_failed(reason: str) -> str:
    """Return the reason of an instance whose batch fails the caller's check."""
    return f"check: {reason}"


# The set and its instances


def wrong_mode(name: str, mode: str) -> str:
    """Return why a set is rejected whose upgrade mode is not Manual."""
    return f"{name} is in upgrade mode {mode}: {_MODES[mode.lower()]}"


def is_refused_mode(mode: str) -> bool:
    """Return whether sets in an upgrade mode are rejected."""
    return mode.lower() in _MODES


def image_of_another_tenant(name: str) -> str:
    """Return why an image cannot be put with the token alone."""
    return f"the image {name} is in another tenant: pass a token of that tenant in auxiliary_tokens"


def no_profile(name: str) -> str:
    """Return why a Flexible set without a profile is rejected."""
    return f"{name} has no model (virtualMachineProfile): there is nothing to roll out"


def model_unknown(count: int) -> str:
    """Return for how many instances it is unknown whether they have the model."""
    return (
        f"unknown whether {plural(count, 'instance')} of this Flexible set"
        f" {'has' if count == 1 else 'have'} the current model: upgrading all of them, which does"
        " not change instances that have it"
    )


def set_busy(name: str, state: str) -> str:
    """Return the message while an operation on the set itself runs."""
    return f"{name} is {state}: waiting"


def set_still_busy(name: str, state: str, seconds: float) -> str:
    """Return the reason of a halt when an operation on the set does not end."""
    return f"{name} is still {state} after {duration(seconds)}"


def instances_busy(ids: Sequence[str]) -> str:
    """Return which instances are being updated."""
    return f"{plural(len(ids), 'instance')} being updated ({join_ids(ids)})"


def waiting_for_instances(ids: Sequence[str]) -> str:
    """Return the message while instances are being updated."""
    return f"{instances_busy(ids)}: waiting"


def instances_still_busy(ids: Sequence[str], seconds: float) -> str:
    """Return the reason of a halt when updates do not end."""
    return f"{instances_busy(ids)} still after {duration(seconds)}"


def waiting_for_created(ids: Sequence[str]) -> str:
    """Return the message while instances are being created."""
    return f"{plural(len(ids), 'instance')} being created ({join_ids(ids)}): waiting"


def still_being_created(ids: Sequence[str], seconds: float) -> str:
    """Return the reason of a halt when instances stay in creation."""
    count = plural(len(ids), "instance")
    return f"{count} still being created after {duration(seconds)} ({join_ids(ids)})"


def would_wait(ids: Sequence[str]) -> str:
    """Return the message of a dry run about instances that are being updated."""
    return f"{instances_busy(ids)}: the rollout would wait"


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
    """Return why a model whose image has a version is not refreshed."""
    return (
        f"method='reimage' needs a model without an image version, and this one has {name}: use"
        " method='upgrade'"
    )


def other_image(ids: Sequence[str]) -> str:
    """Return why instances cannot be refreshed whose image is not the model's."""
    verb = "does" if len(ids) == 1 else "do"
    return (
        f"method='reimage' reinstalls the image that an instance has, and"
        f" {plural(len(ids), 'instance')} ({join_ids(ids)}) {verb} not run the model's image:"
        " upgrade these first, with method='upgrade'"
    )


def rollback_to_other_image(name: str) -> str:
    """Return why a reimage cannot roll back to an image."""
    return f"rollback_image must be a version of the model's image, got {name}"


def wanted_version(version: str) -> str:
    """Return the version that instances are reimaged to."""
    return f"the wanted version is {version}"


def version_unknown(ids: Sequence[str]) -> str:
    """Return for which instances the version is unknown."""
    return (
        f"Azure does not report the image version of {plural(len(ids), 'instance')}"
        f" ({join_ids(ids)}): each run reimages these once"
    )


# Actions of the caller


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
    return f"skipping instances whose last operation ended since {since.isoformat()}"


def run_again_since(since: datetime) -> str:
    """Return how to resume a run that compares the instances' times."""
    return f"Run it again with since='{since.isoformat()}' to resume"


def run_again_with(ids: Sequence[str]) -> str:
    """Return how to resume a run of which Azure keeps no record."""
    return (
        "Azure keeps no record of this action: run it again with pending=, or with only= the"
        f" remaining instances ({join_ids(ids)})"
    )


# Retries


def trying_again(reason: str) -> str:
    """Return why a reading is repeated."""
    return f"{reason}: reading again"


def asking_again(reason: str) -> str:
    """Return why a write is repeated."""
    return f"{reason}: sending again"


def pausing_for(message: str, seconds: float) -> str:
    """Return a message with the length of the pause."""
    return f"{message} in {duration(round(seconds))}"


# A batch


def of_batch(batch: Batch, text: str) -> str:
    """Return a text about a batch."""
    return f"{batch.name}: {text}"


def upgrading(batch: Batch, words: Words = UPGRADE_WORDS) -> str:
    """Return the message when the operation on a batch starts."""
    ids = batch.instance_ids
    return f"{batch.name}: {words.doing} {plural(len(ids), 'instance')} ({join_ids(ids)})"


def without_vanished(batch: Batch, ids: Sequence[str]) -> str:
    """Return the message when instances of a batch no longer exist."""
    return f"{batch.name}: continuing without {join_ids(ids)}, deleted meanwhile"


def operation_status(status: str, seconds: float, trouble: str) -> str:
    """Return the state of an operation."""
    more = f" ({trouble})" if trouble else ""
    return f"{status}, {duration(round(seconds))}{more}"


def operation_unreadable(reason: str) -> str:
    """Return the message when an operation cannot be read."""
    return f"{reason}: checking the instances instead"


def preempted(batch: Batch, reason: str) -> str:
    """Return the message when another write ended the upgrade of a batch."""
    return f"{batch.name}: {reason}: another write came first; upgrading its other instances again"


def operation_failed(message: str, code: str) -> str:
    """Return the reason of a halt, with Azure's own message."""
    return f"{message} ({code})"


def batch_waiting(batch: Batch, reasons: Mapping[str, str]) -> str:
    """Return the message while instances of a batch are not done."""
    shown = list(reasons.items())[:_SHOWN_WAITING]
    listed = ", ".join(f"{instance_id}: {reason}" for instance_id, reason in shown)
    return f"{batch.name}: waiting for {plural(len(reasons), 'instance')} ({listed})"


def batch_unhealthy(batch: Batch, timeout: float | None) -> str:
    """Return the reason of a halt when a batch does not become healthy."""
    after = "" if timeout is None else f" after {duration(timeout)}"
    return f"{batch.name} is not healthy{after}"


def baking(batch: Batch, seconds: float) -> str:
    """Return the message while a batch bakes."""
    return f"{batch.name}: healthy; baking for another {duration(round(seconds))}"


def bake_failed(batch: Batch, seconds: float) -> str:
    """Return the reason of a halt when a batch does not stay healthy."""
    return f"{batch.name} did not stay healthy for {duration(seconds)}"


def batch_done(
    batch: Batch, latest: int, total: int, vanished: int, words: Words = UPGRADE_WORDS
) -> str:
    """Return the message at the end of a batch."""
    gone = f" ({vanished} deleted meanwhile)" if vanished else ""
    return f"{batch.name}: done; {latest} of {total} instances {words.have}{gone}"


def others_unhealthy(batch: Batch, count: int, allowed: int) -> str:
    """Return how many instances outside a batch are unhealthy."""
    verb = "is" if count == 1 else "are"
    found = f"{plural(count, 'instance')} outside {batch.name} {verb} unhealthy"
    return f"{found} (max_unhealthy allows {allowed})"


def waiting_for_others(reason: str) -> str:
    """Return the message while instances outside a batch may still become healthy."""
    return f"{reason}: waiting"


def others_healthy(batch: Batch) -> str:
    """Return the message of a dry run when the first batch could start."""
    return f"{batch.name}: enough instances outside it are healthy to start"


# Between batches


def calling_pause(batch: Batch) -> str:
    """Return the message before the caller's `pause` is called."""
    return f"{batch.name} is done: asking whether to continue"


def pausing_before(batch: Batch, seconds: float) -> str:
    """Return the message during a pause."""
    return f"pausing {duration(round(seconds))} before {batch.name}"


# The start and the end


def started(total: int, pending: int, batches: int, words: Words = UPGRADE_WORDS) -> str:
    """Return how many instances there are, and how many are pending."""
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
    return f"{beginning}{', '.join(parts)}; {upgraded} {words.done} in {duration(round(seconds))}"


def stopped_after(batch: Batch) -> str:
    """Return after which batch a run was stopped."""
    return f"stopped after {batch.name}"


def halted(
    reason: str,
    unhealthy: Mapping[str, str],
    progress: tuple[int, int, int] | None,
    advice: str,
    words: Words = UPGRADE_WORDS,
) -> str:
    """Return the message of a halt: what went wrong, how far the run came, what to do.

    `progress` is how many instances were upgraded, are outdated, and are in the set; `None` if the
    instances were never read.
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
    """Return why a capacity is rejected that would delete more instances than were added."""
    return (
        f"capacity={capacity} would delete instances that no rollout added: the set has"
        f" {plural(found, 'instance')}, and a rollout adds at most {most}. Pass the capacity that"
        " the set had before"
    )


def surge_planned(created: int, deleted: int, now: int, capacity: int) -> str:
    """Return how much extra capacity a rollout uses."""
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
    """Return the message of a dry run about the extra capacity: how much, and for how long."""
    return (
        f"up to {plural(most, 'instance')}, {created} of them extra, for about"
        f" {seconds / 60:.0f} min (estimated with {duration(each)} for each step)"
    )


def autoscaled(names: Sequence[str]) -> str:
    """Return the notice about a set that autoscale settings change."""
    return (
        f"autoscale ({', '.join(names)}) is on for this set and may add or remove instances"
        " meanwhile; the rollout ends at the capacity"
    )


def autoscale_unknown(reason: str) -> str:
    """Return the notice if the autoscale settings cannot be read."""
    return f"cannot read whether autoscale is on for this set ({reason})"


def waiting_until_settled(ids: Sequence[str]) -> str:
    """Return the message while instances are being created or deleted."""
    return f"{plural(len(ids), 'instance')} being created or deleted ({join_ids(ids)}): waiting"


def still_unsettled(ids: Sequence[str], seconds: float) -> str:
    """Return the reason of a halt when creations or deletions do not end."""
    return (
        f"{plural(len(ids), 'instance')} still being created or deleted ({join_ids(ids)}) after"
        f" {duration(seconds)}"
    )


def creating(batch: Batch, number: int, capacity: int) -> str:
    """Return the message when the capacity is raised."""
    text = f"creating {plural(number, 'instance')}, capacity {capacity} to {capacity + number}"
    return f"{batch.name}: {text}"


def waiting_for_count(found: int, wanted: int, passing: Sequence[str]) -> str:
    """Return the message until the set has as many instances as its capacity."""
    more = f", {len(passing)} of them being created or deleted" if passing else ""
    return f"{plural(found, 'instance')} of {wanted}{more}: waiting"


def wrong_count(found: int, wanted: int, seconds: float) -> str:
    """Return the reason of a halt when the set does not reach its capacity."""
    return f"The set has {plural(found, 'instance')} and not {wanted} after {duration(seconds)}"


def undoing_creation(batch: Batch, reason: str) -> str:
    """Return the message before new instances are deleted again."""
    return f"{batch.name}: {reason}: deleting the new instances"


def creation_undone(reason: str, made: int, capacity: int) -> str:
    """Return the reason of a halt after a creation that failed and was undone."""
    deleted = f"{plural(made, 'new instance')} deleted" if made else "no instance was created"
    return f"{reason.rstrip('. ')}. Capacity restored to {capacity}, {deleted}"


def creation_not_undone(reason: str, error: str) -> str:
    """Return the reason of a halt after a creation that failed and could not be undone."""
    return f"{reason.rstrip('. ')}. The new instances could not be deleted: {error}"


def deleting(batch: Batch, capacity: int) -> str:
    """Return the message when instances are deleted."""
    ids = batch.instance_ids
    if not ids:
        return f"{batch.name}: setting the capacity to {capacity}, which deletes no instance"
    return f"{batch.name}: deleting {plural(len(ids), 'instance')} ({join_ids(ids)})"


def still_there(batch: Batch, ids: Sequence[str]) -> str:
    """Return the message while deleted instances still exist."""
    return f"{batch.name}: {plural(len(ids), 'instance')} ({join_ids(ids)}) still there"


def deleted(batch: Batch, total: int) -> str:
    """Return the message after a deletion."""
    return f"{batch.name}: done; {plural(total, 'instance')}"


def all_protected(surplus: int, deletable: int, capacity: int) -> str:
    """Return the reason of a halt when too few instances may be deleted."""
    return (
        f"{plural(surplus, 'instance')} above the capacity of {capacity}, but only {deletable} can"
        " be deleted: the others are protected or not in only="
    )


def cannot_lower(live: int, capacity: int) -> str:
    """Return the reason of a halt when lowering the capacity would delete instances."""
    return (
        f"The set has {plural(live, 'instance')}: lowering its capacity to {capacity} would let"
        " Azure choose which to delete"
    )


# A dry run


def mode_is_manual(name: str, state: str) -> str:
    """Return the message of a dry run about the set."""
    return f"{name} is in upgrade mode Manual and {state}"


def state_of_set(name: str, state: str) -> str:
    """Return the message of a dry run about a set whose upgrade mode does not matter."""
    return f"{name} is {state}"


def would_roll_back_to(image: str) -> str:
    """Return the message of a dry run about the rollback."""
    return f"a failure would be rolled back to {image}"


def planned(batch: Batch) -> str:
    """Return a batch of a dry run."""
    ids = batch.instance_ids
    return f"{batch.name}: {plural(len(ids), 'instance')} ({join_ids(ids)})"


def dry_run_done(requests: int) -> str:
    """Return how many requests a rollout would send."""
    return (
        f"dry run: nothing was changed; a rollout would send {requests} requests, and poll while"
        " Azure works"
    )


# The rollback


def rolling_back(reason: str, image: str) -> str:
    """Return the message when a rollback starts."""
    why = f"{reason}: " if reason else ""
    return f"{why}rolling back to {image}"


def rolled_back(reason: str, runs: str) -> str:
    """Return the message of a halt after a rollback."""
    return f"{reason}. Rolled back: {runs}."


def rollback_halted(reason: str, halt: str, runs: str) -> str:
    """Return the message of a halt when the rollback halted as well."""
    return f"{reason}. The rollback halted too: {halt} {runs}."


def image_is_back(image: str) -> str:
    """Return what to do once the model has the old image again."""
    return f"The model is back on {image}: call rollout() to finish the remaining instances"


def several_images(ids_by_image: Mapping[str, Sequence[str]]) -> str:
    """Return why the rollback image of `on_failure` cannot be inferred."""
    listed = "; ".join(f"{len(ids)} on {name}" for name, ids in ids_by_image.items())
    return (
        "rollback_image is required with on_failure='rollback', because the instances run several"
        f" images ({listed}): pass one of them"
    )


def no_version_to_roll_back_to(image: str, argument: str = "rollback_image") -> str:
    """Return why an image that is not one version cannot be rolled back to."""
    return (
        f"{argument} is required: the instances run {image}, and Azure does not report the exact"
        " version"
    )


def image_unknown(names: Iterable[str]) -> str:
    """Return why the image of `rollback` cannot be inferred."""
    old = ", ".join(names)
    if not old:
        return "image is required: the outdated instances run the model's image"
    return f"image is required: the outdated instances run {old}"


def image_is_older(image: str) -> str:
    """Return why `rollback` raises when the instances run a newer image than the model's."""
    return (
        f"image is required: the model has {image}, which is older than the image of the outdated"
        " instances. The model already seems to be rolled back: call rollout() to upgrade the"
        " instances to it."
    )


def image_not_in_model(image: str) -> str:
    """Return the reason of a halt when Azure accepts an image but does not change the model."""
    return f"Azure accepted the image {image} twice, but the model still has another one"


# Azure's own rolling upgrade


def rolling_status(status: str) -> str:
    """Return Azure's status of a rolling upgrade; `status` is `""` if there is no upgrade."""
    return status or "no rolling upgrade"


def rolling_done(status: str, latest: int, total: int) -> str:
    """Return the message of the end of a rolling upgrade."""
    return (
        f"{rolling_status(status)}; {latest} of {plural(total, 'instance')} have the latest model"
    )


def rolling_timeout(name: str, status: str, seconds: float) -> str:
    """Return the reason of a halt when a rolling upgrade does not end."""
    after = f"after {duration(seconds)}"
    if not status:
        return f"Azure has not started a rolling upgrade of {name} {after}"
    return f"The rolling upgrade of {name} is still {status} {after}"


def rolling_failed(name: str, status: str, reason: str) -> str:
    """Return the reason of a halt when a rolling upgrade did not complete."""
    return f"Azure's rolling upgrade of {name} ended {status}{reason}"
