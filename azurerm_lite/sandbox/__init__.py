"""A local Azure, to try a rollout on and to test against: `with Sandbox() as sandbox: ...` (extra `sandbox`)."""

from .local import Sandbox

__all__ = ["Sandbox"]
