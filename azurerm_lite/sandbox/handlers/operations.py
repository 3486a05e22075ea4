"""Handlers for long-running operations."""

from __future__ import annotations

from .. import errors
from .._answer import Answer
from ..model.resources import Operation
from . import render
from ._call import Call, retry_after


def get_operation(call: Call) -> Answer:
    """Return the state of an operation; with `monitor=true`, its result at its `Location`."""
    job = _find(call)
    headers = {} if job.ended else retry_after(call.cloud)
    if call.query.get("monitor") != "true":
        return Answer(200, render.operation(job), headers)
    if job.error:
        return _failure(job)
    return Answer(200 if job.ended else 202, job.output, headers)


def get_operation_result(call: Call) -> Answer:
    """Return the result at the `Location` of the deletion of a resource group."""
    job = _find(call)
    if not job.ended:
        return Answer(202, None, {"Location": call.url, **retry_after(call.cloud)})
    return _failure(job) if job.error else Answer(200)


def _find(call: Call) -> Operation:
    try:
        return call.cloud.operations[call.names["operation"]]
    except KeyError:
        raise errors.entity_not_found() from None


def _failure(job: Operation) -> Answer:
    return Answer(409, {"error": job.error})
