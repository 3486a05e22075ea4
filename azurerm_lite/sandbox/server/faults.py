"""Faults: which requests fail, and how."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import ApiError


@dataclass
class Fault:
    """A fault that affects the next matching requests.

    Attributes:
        method: HTTP method of the requests, or `None` for all.
        path: One or more whole segments of their path.
        times: How many more requests it affects.
        status: HTTP status of the error response, or `None` for no error response.
        code, message, headers: The rest of the error response.
        delay: Seconds to wait before the answer.
        drop: When the connection breaks: `before` the request takes effect, `after` it, or
            `truncate` for the middle of the answer; `None` for never.
        text: Text to answer with instead of JSON.
    """

    method: str | None = None
    path: str = ""
    times: int = 1
    status: int | None = None
    code: str = "SandboxFault"
    message: str = "Fault injected by the sandbox."
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drop: str | None = None
    text: str | None = None

    def matches(self, method: str, path: str) -> bool:
        """Return whether the fault affects a request.

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
