"""Advice for each error code of the sign-in, and the exception that carries it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .._text import collapse
from ..errors import AuthenticationFailed

_TENANT = "Check the tenant id, and that it belongs to the cloud whose sign-in is configured."
_SIGN_IN_AGAIN = "Sign in again: with 'az login', or by starting the program again."
_POLICY = (
    "Blocked by a conditional access policy: ask the tenant's administrator which, "
    "or use an identity that it does not apply to, such as a managed identity."
)
_MFA = (
    "This account must sign in with a second factor: sign in by browser or device code, or with 'az"
    " login'."
)
_CLOCK = "Check this machine's clock, and use a new assertion: this one is not valid now."
_FEDERATED = (
    "Compare issuer, subject and audience of the application's federated credential with the"
    " assertion's."
)
_CONSENT = (
    "Have an administrator consent to the application, or assign it to the user, in this tenant."
)

# By the number in Microsoft's reference of error codes.
ADVICE = {
    "AADSTS50001": "Check AZURE_RESOURCE_ENDPOINT: this tenant knows no such resource.",
    "AADSTS500011": "Check AZURE_RESOURCE_ENDPOINT and the tenant id: this tenant knows no such"
    " resource.",
    "AADSTS50012": "Check the certificate: it is not registered for the application, or has ended.",
    "AADSTS50013": _CLOCK,
    "AADSTS500133": _CLOCK,
    "AADSTS50020": "This account is not a member of the tenant: check the tenant id, or have it"
    " invited.",
    "AADSTS50027": "The assertion is not a valid JSON Web Token of the issuer that the application"
    " trusts.",
    "AADSTS50034": "The account does not exist in this tenant: check the tenant id.",
    "AADSTS50053": "The account is locked, or the network's address is distrusted: ask the tenant's"
    " administrator.",
    "AADSTS50055": "The account's password has expired: change it and sign in again.",
    "AADSTS50057": "The account is disabled: ask the tenant's administrator.",
    "AADSTS50059": "Pass the tenant id: it cannot be derived from the application.",
    "AADSTS50072": _MFA,
    "AADSTS50074": _MFA,
    "AADSTS50076": _MFA,
    "AADSTS50078": _MFA,
    "AADSTS50079": _MFA,
    "AADSTS50105": _CONSENT,
    "AADSTS50126": "Wrong name or password.",
    "AADSTS50158": _MFA,
    "AADSTS50173": _SIGN_IN_AGAIN,
    "AADSTS50194": "Give the tenant id: the application is known in its own tenant only.",
    "AADSTS53000": _POLICY,
    "AADSTS53001": _POLICY,
    "AADSTS53003": _POLICY,
    "AADSTS53011": _POLICY,
    "AADSTS530032": _POLICY,
    "AADSTS65001": _CONSENT,
    "AADSTS65004": "Consent was declined: sign in again and grant it.",
    "AADSTS70001": "The application is disabled in this tenant: have it enabled.",
    "AADSTS700016": "Check the application id, and that the application is registered in this"
    " tenant.",
    "AADSTS70008": _SIGN_IN_AGAIN,
    "AADSTS700082": _SIGN_IN_AGAIN,
    "AADSTS70018": "The code was not accepted: sign in again and type the new one.",
    "AADSTS70019": "The code expired before anyone signed in: start again.",
    "AADSTS70021": _FEDERATED,
    "AADSTS700211": _FEDERATED,
    "AADSTS700212": _FEDERATED,
    "AADSTS700213": _FEDERATED,
    "AADSTS7002138": "Mind upper and lower case. " + _FEDERATED,
    "AADSTS700024": _CLOCK,
    "AADSTS700025": "The application is registered as a public client: sign in by browser or device"
    " code.",
    "AADSTS700027": "Check the certificate: register it for the application, or sign with the key"
    " that is registered.",
    "AADSTS700030": "The certificate's subject name is not one that the application trusts.",
    "AADSTS70043": _SIGN_IN_AGAIN,
    "AADSTS7000112": "The application is disabled in this tenant: have it enabled.",
    "AADSTS7000215": "Check the application secret: give its value, not its id.",
    "AADSTS7000218": "Allow public client flows for the application, or sign in with a secret or a"
    " certificate.",
    "AADSTS7000222": "The application secret has expired: make a new one.",
    "AADSTS90002": "Check the tenant id: the tenant does not exist in this cloud.",
    "AADSTS90038": _TENANT,
    "AADSTS900382": _TENANT,
    "AADSTS900432": _TENANT,
    "AADSTS90072": "This account is not a member of the tenant: check the tenant id, or have it"
    " invited.",
    "AADSTS90094": _CONSENT,
    "AADSTS900023": "Check the tenant id: it is neither an id nor a domain name.",
    "invalid_tenant": "Check the tenant id.",
}


def mask_secrets(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text without secrets.

    Args:
        text: A message of the sign-in service or of the CLI.
        secrets: The values to mask.

    Returns:
        The text, with `***` in place of every secret and every JSON Web Token.
    """
    for secret in secrets:
        text = text.replace(secret, "***")
    return re.sub(r"\beyJ[\w-]+(\.[\w-]+)*", "***", text)


def sign_in_error(result: Mapping[str, Any], secrets: Iterable[str] = ()) -> AuthenticationFailed:
    """Return the exception for an error that MSAL returned.

    Args:
        result: MSAL's dict, with `error` and `error_description`.
        secrets: The values to mask in the message.

    Returns:
        An `AuthenticationFailed` with the first sentence of the sign-in's message, its error code,
        advice, and the correlation id.
    """
    description = mask_secrets(
        str(result.get("error_description") or "no reason was given."), secrets
    )
    if "access_token" in description:  # MSAL's message for an incomplete response
        description = "the response is incomplete."
    code = _error_code(description, collapse(result.get("error")), secrets)
    # The first sentence is followed by ids and a timestamp.
    sentence = collapse(re.split(r" Trace ID:|\r|\n", description)[0])
    message = " ".join(filter(None, ["Sign-in failed:", sentence, ADVICE.get(code)]))
    return AuthenticationFailed(
        message, code=code, request_id=collapse(result.get("correlation_id")) or None
    )


def _error_code(description: str, error: str, secrets: Iterable[str]) -> str:
    """Return the most specific AADSTS code of a description, else OAuth's error code.

    "AADSTS70002: Error validating credentials. AADSTS500133: ...": the second one is more specific.
    """
    codes = re.findall(r"AADSTS\d+", description)
    known = [code for code in codes if code in ADVICE]
    if codes:
        return str((known or codes)[0])
    is_code = re.fullmatch(r"[\w.]{1,50}", mask_secrets(error, secrets))
    return error if is_code else "SignInFailed"
