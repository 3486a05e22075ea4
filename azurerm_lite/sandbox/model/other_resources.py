"""Resources other than scale sets: managed images, networks, deployments, run commands."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .resources import Operation, now_utc

Json = dict[str, Any]


@dataclass
class Deployment:
    """A deployment of a template.

    Attributes:
        parameters: The parameters as they were sent, without secure ones.
        parts: The operations of its scale sets; networks are created at once.
        resource_ids: The ids of its resources.
        outputs: Returns the outputs; called after the end.
        error: The error of a resource that could not be created, or `None`.
    """

    name: str
    group: str
    mode: str
    parameters: Json
    outputs: Callable[[], Json]
    parts: list[Operation] = field(default_factory=list)
    resource_ids: list[str] = field(default_factory=list)
    error: Json | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started: str = field(default_factory=now_utc)

    @property
    def state(self) -> str:
        """The provisioning state, derived from the operations."""
        if self.error:
            return "Failed"
        if any(part.ended is None for part in self.parts):
            return "Running"
        failed = [part for part in self.parts if part.status != "Succeeded"]
        return failed[0].status if failed else "Succeeded"


@dataclass
class OtherResources:
    """Resources that are stored as they were sent, by id in lower case.

    Attributes:
        images: The bodies of managed images that a client created. `Cloud.images` has the ids of
            these and of all other images.
        networks: The bodies of resources of Microsoft.Network.
        deployments: The deployments, by group and name in lower case.
        run_commands: The run commands (v2), by the `vmId` of their VM and name in lower case.
        repair_states: The states of automatic repairs that a client set, by the `uniqueId` of the
            scale set.
    """

    images: dict[str, Json] = field(default_factory=dict)
    networks: dict[str, Json] = field(default_factory=dict)
    deployments: dict[tuple[str, str], Deployment] = field(default_factory=dict)
    run_commands: dict[tuple[str, str], Json] = field(default_factory=dict)
    repair_states: dict[str, str] = field(default_factory=dict)
