"""The answer to a request, before it becomes HTTP."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Answer:
    """Status, JSON body (`None` for an empty one) and headers; `page` is HTML instead of JSON."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    page: str | None = None
