"""The sandbox's sign-in as a whole: tokens, the authority that gives them, and the managed identities."""

from __future__ import annotations

from werkzeug.wrappers import Request

from ..errors import Refusal
from ..handlers.scale_sets import Answer
from .client_auth import SUBJECT, Proofs
from .managed_identity import Identities
from .oauth import Authority
from .tokens import SignIn

_ISSUER = "/actions/idtoken"
"""Where a workflow of GitHub Actions would ask who it is."""


class SignInPages:
    """Everything that is answered without a token, because it is what gives one."""

    def __init__(self, token_seconds: float) -> None:
        self.tokens = SignIn(token_seconds)
        self.proofs = Proofs()
        self.authority = Authority(self.tokens, self.proofs)
        self.identities = Identities(self.tokens)

    def serves(self, path: str) -> bool:
        """Whether a path is one of the sign-in's."""
        return path == _ISSUER or self.authority.serves(path) or self.identities.serves(path)

    def answer(self, request: Request, refusal: Refusal | None = None) -> Answer:
        """The answer, or the refusal that was asked for, in the sign-in's words."""
        if refusal:
            told = {"error": refusal.error["code"], "error_description": refusal.error["message"]}
            return Answer(refusal.status, told, refusal.headers)
        if request.path == _ISSUER:
            return Answer(
                200,
                {
                    "value": self.proofs.federated_token(
                        SUBJECT, request.args.get("audience", ""), 300
                    )
                },
            )
        return (self.identities if self.identities.serves(request.path) else self.authority).answer(
            request
        )
