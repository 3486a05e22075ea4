"""Faults on demand: which answers are to go wrong, and how."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import Refusal


@dataclass
class Fault:
    """What happens to the next requests of a kind.

    Attributes:
        method, path: Which requests: an HTTP method or `None` for all, some whole segments of the
            path.
        times: How many of them.
        status, code, message, headers: The refusal to answer with; `status` is `None` for none.
        delay: Seconds to let the client wait first.
        drop: `before` breaks the connection before the request takes effect, `after` breaks it
            afterwards, `truncate` in the middle of the answer.
        text: What to answer with instead of JSON.
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

    def fits(self, method: str, path: str) -> bool:
        """Whether it is this request's turn; `virtualMachines` is not the beginning of `virtualMachineScaleSets`."""
        if self.times <= 0 or (self.method or method).upper() != method:
            return False
        wanted = self.path.strip("/").lower()
        return not wanted or f"/{wanted}/" in f"{path.lower()}/"

    @property
    def refusal(self) -> Refusal | None:
        """The refusal to answer with, if any."""
        return (
            Refusal(self.status, self.code, self.message, headers=self.headers)
            if self.status
            else None
        )
