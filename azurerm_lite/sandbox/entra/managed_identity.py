"""Managed identities of the sandbox: the endpoints of a virtual machine, App Service, Service Fabric and others."""

from __future__ import annotations

import secrets
import time

from werkzeug.wrappers import Request

from ..handlers.scale_sets import Answer
from ..model.resources import SUBSCRIPTION
from ..server.https_server import Server
from .tokens import SignIn

VM_PATH, OTHER_PATH, ARC_PATH = "/metadata/identity/oauth2/token", "/msi/token", "/arc/token"
RESOURCE_ID = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/sandbox/providers/Microsoft.ManagedIdentity"
    "/userAssignedIdentities/worker"
)
# The machine has one identity of its own and one that was assigned to it.
SYSTEM = "11111111-aaaa-4444-8888-000000000001"
ASSIGNED = {
    "client_id": "22222222-aaaa-4444-8888-000000000002",
    "object_id": "33333333-aaaa-4444-8888-000000000003",
    "mi_res_id": RESOURCE_ID,
}
_NAMES = {"clientid": "client_id", "msi_res_id": "mi_res_id"}


def environment_of(kind: str, url: str, secure: Server, header: str) -> dict[str, str]:
    """The environment variables of a machine of a kind."""
    other = url + OTHER_PATH
    kinds = {
        "vm": {"AZURE_POD_IDENTITY_AUTHORITY_HOST": url},
        "app_service": {"IDENTITY_ENDPOINT": other, "IDENTITY_HEADER": header},
        "machine_learning": {"MSI_ENDPOINT": other, "MSI_SECRET": header},
        "arc": {"IDENTITY_ENDPOINT": url + ARC_PATH, "IMDS_ENDPOINT": url},
        "service_fabric": {
            "IDENTITY_ENDPOINT": secure.url + OTHER_PATH,
            "IDENTITY_HEADER": header,
            "IDENTITY_SERVER_THUMBPRINT": secure.thumbprint,
        },
    }
    if kind not in kinds:
        raise ValueError(f"kind must be one of {', '.join(kinds)}, not {kind!r}")
    return kinds[kind]


class Identities:
    """Gives tokens to whoever runs on the machine, which it takes from the header that only they can send."""

    def __init__(self, tokens: SignIn) -> None:
        self.tokens, self.header = tokens, secrets.token_urlsafe(16)
        self.arc_key_file = ""

    def serves(self, path: str) -> bool:
        """Whether a path is one of the endpoints."""
        return path in (VM_PATH, OTHER_PATH, ARC_PATH)

    def answer(self, request: Request) -> Answer:
        """The answer to a request for a token."""
        if request.path != OTHER_PATH and request.headers.get("Metadata") != "true":
            return _refused(400, "invalid_request", "Required metadata header not specified")
        if request.path == ARC_PATH and not self._knows_arc_key(request):
            return Answer(401, {}, {"WWW-Authenticate": f"Basic realm={self.arc_key_file}"})
        given = {request.headers.get(name) for name in ("X-IDENTITY-HEADER", "Secret")}
        if request.path == OTHER_PATH and self.header not in given:
            return Answer(401, {"statusCode": 401, "message": "The identity header does not fit."})
        asked = {_NAMES.get(name, name): value for name, value in request.args.items()}
        chosen = {name: value for name, value in asked.items() if name in ASSIGNED}
        if any(ASSIGNED[name].lower() != value.lower() for name, value in chosen.items()):
            return _refused(400, "invalid_request", "Identity not found")
        return Answer(200, self._token(asked.get("resource", ""), bool(chosen)))

    def _token(self, resource: str, assigned: bool) -> dict[str, str]:
        client, identity = (
            (ASSIGNED["client_id"], RESOURCE_ID) if assigned else (SYSTEM, "the machine's own")
        )
        seconds = int(self.tokens.token_seconds)
        ends = {"expires_in": str(seconds), "expires_on": str(int(time.time()) + seconds)}
        token = self.tokens.token(resource, claims={"appid": client, "xms_mirid": identity})
        told = {
            "client_id": client,
            "resource": resource,
            "token_type": "Bearer",
            "access_token": token,
        }
        return (
            told
            | ends
            | (
                {name: value for name, value in ASSIGNED.items() if name != "client_id"}
                if assigned
                else {}
            )
        )

    def _knows_arc_key(self, request: Request) -> bool:
        return request.headers.get("Authorization") == f"Basic {self.header}"


def _refused(status: int, error: str, description: str) -> Answer:
    return Answer(status, {"error": error, "error_description": description})
