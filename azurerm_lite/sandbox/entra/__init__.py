"""The sign-in: OAuth2 endpoints, managed identities, and their tokens."""

from __future__ import annotations

from werkzeug.wrappers import Request

from .._answer import Answer
from ..errors import ApiError
from .client_auth import SUBJECT, ClientAuth
from .managed_identity import ManagedIdentityEndpoint
from .oauth import OAuthEndpoint
from .tokens import TokenIssuer

# A workflow of GitHub Actions requests its OIDC token here.
_ACTIONS_PATH = "/actions/idtoken"


class Entra:
    """The endpoints that issue tokens, and so need no token."""

    def __init__(self, token_seconds: float) -> None:
        self.tokens: TokenIssuer = TokenIssuer(token_seconds)
        self.client_auth: ClientAuth = ClientAuth()
        self.oauth: OAuthEndpoint = OAuthEndpoint(self.tokens, self.client_auth)
        self.identities: ManagedIdentityEndpoint = ManagedIdentityEndpoint(self.tokens)

    def has_path(self, path: str) -> bool:
        """Return whether a path belongs to the sign-in."""
        return path == _ACTIONS_PATH or self.oauth.has_path(path) or self.identities.has_path(path)

    def answer(self, request: Request, fault: ApiError | None = None) -> Answer:
        """Return the answer to a request, or an injected fault in the format of the sign-in."""
        if fault:
            body = {"error": fault.error["code"], "error_description": fault.error["message"]}
            return Answer(fault.status, body, fault.headers)
        if request.path == _ACTIONS_PATH:
            audience = request.args.get("audience", "")
            return Answer(200, {"value": self.client_auth.federated_token(SUBJECT, audience, 300)})
        if self.identities.has_path(request.path):
            return self.identities.answer(request)
        return self.oauth.answer(request)
