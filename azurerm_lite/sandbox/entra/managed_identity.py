"""Managed identities: the endpoints of a VM, App Service, Service Fabric and Azure Arc."""

from __future__ import annotations

import secrets
import time

from werkzeug.wrappers import Request

from .._answer import Answer
from ..model.resources import SUBSCRIPTION
from .tokens import TokenIssuer

VM_PATH = "/metadata/identity/oauth2/token"
OTHER_PATH = "/msi/token"
ARC_PATH = "/arc/token"
RESOURCE_ID = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/sandbox/providers/Microsoft.ManagedIdentity"
    "/userAssignedIdentities/worker"
)
# Client id of the system-assigned identity, and the ids of the user-assigned identity.
SYSTEM = "11111111-aaaa-4444-8888-000000000001"
ASSIGNED = {
    "client_id": "22222222-aaaa-4444-8888-000000000002",
    "object_id": "33333333-aaaa-4444-8888-000000000003",
    "mi_res_id": RESOURCE_ID,
}
_PARAMETER_ALIASES = {"clientid": "client_id", "msi_res_id": "mi_res_id"}


def environment_for(
    kind: str, url: str, secure_url: str, thumbprint: str, header: str
) -> dict[str, str]:
    """Return the environment variables of a kind of machine.

    Args:
        kind: The kind of machine.
        url: URL of the endpoint over plain HTTP.
        secure_url: URL of the endpoint over HTTPS.
        thumbprint: SHA-1 thumbprint of its certificate.
        header: Value of the identity header.

    Raises:
        ValueError: The kind does not exist.
    """
    kinds = {
        "vm": {"AZURE_POD_IDENTITY_AUTHORITY_HOST": url},
        "app_service": {"IDENTITY_ENDPOINT": url + OTHER_PATH, "IDENTITY_HEADER": header},
        "machine_learning": {"MSI_ENDPOINT": url + OTHER_PATH, "MSI_SECRET": header},
        "arc": {"IDENTITY_ENDPOINT": url + ARC_PATH, "IMDS_ENDPOINT": url},
        "service_fabric": {
            "IDENTITY_ENDPOINT": secure_url + OTHER_PATH,
            "IDENTITY_HEADER": header,
            "IDENTITY_SERVER_THUMBPRINT": thumbprint,
        },
    }
    if kind not in kinds:
        raise ValueError(f"kind must be one of {', '.join(kinds)}, got {kind!r}")
    return kinds[kind]


class ManagedIdentityEndpoint:
    """Endpoint that issues tokens to programs on the machine, which must send a secret header.

    Attributes:
        header: The value of that header.
        arc_key_file: Path of the key file that an Azure Arc machine returns.
    """

    def __init__(self, tokens: TokenIssuer) -> None:
        self.header: str = secrets.token_urlsafe(16)
        self.arc_key_file = ""
        self._tokens = tokens

    def has_path(self, path: str) -> bool:
        """Return whether a path is one of the endpoints."""
        return path in (VM_PATH, OTHER_PATH, ARC_PATH)

    def answer(self, request: Request) -> Answer:
        """Return the answer to a request for a token."""
        if request.path != OTHER_PATH and request.headers.get("Metadata") != "true":
            return _bad_request("Required metadata header not specified")
        if request.path == ARC_PATH and not self._has_arc_key(request):
            return Answer(401, {}, {"WWW-Authenticate": f"Basic realm={self.arc_key_file}"})
        if request.path == OTHER_PATH and not self._has_identity_header(request):
            message = "The identity header is wrong."
            return Answer(401, {"statusCode": 401, "message": message})
        parameters = {
            _PARAMETER_ALIASES.get(name, name): value for name, value in request.args.items()
        }
        chosen = {name: value for name, value in parameters.items() if name in ASSIGNED}
        if any(ASSIGNED[name].lower() != value.lower() for name, value in chosen.items()):
            return _bad_request("Identity not found")
        return Answer(200, self._token_response(parameters.get("resource", ""), bool(chosen)))

    def _token_response(self, resource: str, is_assigned: bool) -> dict[str, str]:
        client = ASSIGNED["client_id"] if is_assigned else SYSTEM
        identity = RESOURCE_ID if is_assigned else "the system-assigned identity"
        seconds = int(self._tokens.token_seconds)
        claims = {"appid": client, "xms_mirid": identity}
        response = {
            "client_id": client,
            "resource": resource,
            "token_type": "Bearer",
            "access_token": self._tokens.issue(resource, claims=claims),
            "expires_in": str(seconds),
            "expires_on": str(int(time.time()) + seconds),
        }
        return {**response, **ASSIGNED} if is_assigned else response

    def _has_arc_key(self, request: Request) -> bool:
        return request.headers.get("Authorization") == f"Basic {self.header}"

    def _has_identity_header(self, request: Request) -> bool:
        given = [request.headers.get(name) for name in ("X-IDENTITY-HEADER", "Secret")]
        return self.header in given


def _bad_request(description: str) -> Answer:
    return Answer(400, {"error": "invalid_request", "error_description": description})
