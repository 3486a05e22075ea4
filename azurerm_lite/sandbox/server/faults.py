"""Faults on request: which answers go wrong, and how."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import ApiError


@dataclass
class Fault:
    """What happens to the next requests of a kind.

    Attributes:
        method: HTTP method of the requests, or `None` for all.
        path: Whole segments of their path.
        times: How many of them.
        status: The status of the error response, or `None` for none; `code`, `message` and
            `headers` belong to it.
        delay: Seconds to wait before the answer.
        drop: `before` breaks the connection before the request takes effect, `after` breaks it
            afterwards, `truncate` in the middle of the answer.
        text: A text to answer with instead of JSON.
    """

    method: str | None = None
    path: str = ""
    times: int = 1
    status: int | None = None
    code: str = "SandboxFault"
    message: str = "A fault that was asked for."
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drop: str | None = None
    text: str | None = None

    def matches(self, method: str, path: str) -> bool:
        """Return whether it applies to a request.

        Only whole segments match: `virtualMachines` does not match `virtualMachineScaleSets`.
        """
        if self.times <= 0 or (self.method or method).upper() != method:
            return False
        segments = self.path.strip("/").lower()
        return not segments or f"/{segments}/" in f"{path.lower()}/"

    @property
    def error(self) -> ApiError | None:
        """The error response, if any."""
        if not self.status:
            return None
        return ApiError(self.status, self.code, self.message, headers=self.headers)
