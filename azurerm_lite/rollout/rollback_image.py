"""The rollback: which image to go back to, and how it comes into the model."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from .. import _clock, _retry, images, rest, settings, vmss
from ..errors import AzureError, PreconditionFailed, RollbackImageUnknown
from ..instances import has_latest_model
from ..types import Image, ScaleSet
from . import messages, plan
from .batch import back_off, follow_operation, is_too_late
from .events import Event
from .reading import is_model_changed, known_model, read_settled_model
from .refusals import refusal
from .state import BatchFailed, Halt, Preempted, RolloutState, ids_by_image, image_of
from .waiting import retry, retry_read

_WRONG_TENANT = "InvalidAuthenticationTokenTenant"
"""Azure's code for a token of another tenant than that of the subscription."""


def find_previous_image(state: RolloutState) -> Image:
    """Return the image that a failure of this run is rolled back to.

    Args:
        state: A run that has read model and instances.

    Returns:
        The image given, or the one that the pending instances run; empty if a failure is not to be
        rolled back, or the model has that image already.

    Raises:
        ValueError: The pending instances run several images, or the image does not fit the model.
    """
    options = state.options
    pending = plan.pending(state.instances, options, current=state.current)
    if options.on_failure != "rollback" or not pending:
        return {}
    image = options.rollback_image
    found = ids_by_image(pending)
    if image is None and len(found) > 1:
        raise ValueError(messages.several_images(found))
    if image is None:
        image = image_of(pending[0])
    if images.is_floating(image):
        raise ValueError(messages.no_version_to_roll_back_to(images.image_name(image)))
    model = known_model(state)
    try:
        changed = images.with_image(model, image)
    except ValueError as error:
        raise ValueError(f"rollback_image: {error}") from None
    if images.is_same_image(images.get_image(changed), images.get_image(model)):
        return {}
    reason = refusal(model, image)
    if reason:
        raise ValueError(f"on_failure: {reason}")
    return image


def check_tenant_of_image(state: RolloutState, image: Image, argument: str) -> Iterator[Event]:
    """Refuse an image of another tenant without a token of that tenant.

    Only Azure knows the tenant of a subscription: it rejects the token for one of another tenant.
    Whatever else it answers says nothing about the image, and is found out at the put.

    Args:
        state: A run whose model will get the image.
        image: The image; empty if there is none.
        argument: How the caller's argument is called, for the error.

    Yields:
        Events, while a failed request is retried.

    Raises:
        ValueError: The image is in another tenant.
    """
    subscription_id = images.subscription_of(image)
    is_own = subscription_id.lower() in ("", state.scale_set.subscription_id.lower())
    if is_own or state.options.auxiliary_tokens:
        return
    url = rest.url("/subscriptions/{id}", {"id": subscription_id}, settings.SUBSCRIPTIONS_API)

    def request() -> None:
        rest.get(state.scale_set.access_token, url)

    try:
        yield from retry_read(state, request)
    except AzureError as error:
        if error.code == _WRONG_TENANT:
            name = images.image_name(image)
            raise ValueError(f"{argument}: {messages.image_of_another_tenant(name)}") from None


def infer_rollback_image(state: RolloutState) -> Image:
    """Return the image that the outdated instances still run.

    Args:
        state: A run that has read model and instances.

    Returns:
        The image.

    Raises:
        RollbackImageUnknown: They run no other image than the model's, or several, or a newer one.
    """
    current = images.get_image(known_model(state))
    outdated = [instance for instance in state.instances if not has_latest_model(instance)]
    found: dict[str, Image] = {}
    for instance in outdated:
        image = image_of(instance)
        if not images.is_same_image(image, current):
            found.setdefault(images.image_name(image).lower(), image)
    if len(found) != 1:
        names = [images.image_name(image) for image in found.values()]
        raise RollbackImageUnknown(messages.image_unknown(names))
    image = next(iter(found.values()))
    if images.is_floating(image):
        raise RollbackImageUnknown(
            messages.no_version_to_roll_back_to(images.image_name(image), "image")
        )
    if images.is_newer(image, current):
        raise RollbackImageUnknown(messages.image_is_older(images.image_name(current)))
    return image


def check_rollback_image(state: RolloutState, image: Image) -> None:
    """Refuse an image that Azure would not take back into the model.

    Args:
        state: A run that has read the model.
        image: The image.

    Raises:
        ValueError: With the reason.
    """
    reason = refusal(known_model(state), image)
    if reason:
        raise ValueError(f"image: {reason}")


def put_image(state: RolloutState, image: Image) -> Iterator[Event]:
    """Put an image into the model if it is not there yet; never over another client's change."""
    limit = _clock.monotonic() + state.options.health_timeout

    def request() -> None:
        changed = images.with_image(known_model(state), image)
        if not _has_image(state, changed):
            state.has_changed_something = True
            state.operation = vmss.put_vmss(
                *state.scale_set, changed, auxiliary_tokens=state.options.auxiliary_tokens
            )

    def recover(error: Exception, attempt: int) -> Iterator[Event]:
        may_retry = isinstance(error, PreconditionFailed) or _retry.is_transient(error)
        if not may_retry or is_too_late(error, limit):
            raise error
        yield from back_off(state, error, attempt)
        yield from read_expected_model(state, image)

    for is_last in (False, True):
        if _has_image(state, images.with_image(known_model(state), image)):
            break
        yield from retry(state, request, recover)
        try:
            yield from follow_operation(state, limit)
        except Preempted:
            if is_last:
                raise
        yield from read_expected_model(state, image)
    if not _has_image(state, images.with_image(known_model(state), image)):
        raise Halt(messages.image_not_in_model(images.image_name(image)))
    state.restored_image = image


def read_expected_model(state: RolloutState, image: Image) -> Iterator[Event]:
    """Read the model, which must be the known one, with or without the image."""
    before = known_model(state)
    expected = images.with_image(before, image)
    yield from read_settled_model(state)
    model = known_model(state)
    if is_model_changed(expected, model) and is_model_changed(before, model):
        raise Halt(messages.MODEL_CHANGED)


def _has_image(state: RolloutState, changed: ScaleSet) -> bool:
    image = images.get_image(known_model(state))
    return images.is_same_image(images.get_image(changed), image)


def rollback_of(state: RolloutState, failure: BatchFailed) -> RolloutState:
    """Return the run that rolls back a failed one.

    Args:
        state: The run that failed.
        failure: Why.

    Returns:
        A new run, which begins with what the failed one knows.
    """
    options = dataclasses.replace(
        state.options,
        canary=None,
        canary_bake=None,
        pause=0 if callable(state.options.pause) else state.options.pause,
        rollback_image=state.previous_image,
    )
    return RolloutState(
        state.scale_set,
        options,
        hooks=state.hooks,
        is_rollback=True,
        model=state.model,
        instances=state.instances,
        current=state.current,
        requests_per_reading=state.requests_per_reading,
        pages=state.pages,
        has_changed_something=True,
        capacity=state.capacity,
        reason=messages.halt_reason(failure.reason, failure.unhealthy),
        retry_failed=frozenset(failure.unhealthy),
    )
