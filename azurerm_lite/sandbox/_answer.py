"""The answer to a request, before it is turned into HTTP."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Answer:
    """The answer to a request.

    Attributes:
        status: HTTP status.
        body: JSON, or `None` for an empty body.
        headers: HTTP headers.
        page: HTML to send instead of JSON, or `None`.
        vm_policy: The rate limit that counts the VMs of the request; empty for none.
        vm_count: How many VMs that limit counts.
    """

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    page: str | None = None
    vm_policy: str = ""
    vm_count: int = 0
