"""Endpoints: the defaults, and the variables that change them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azurerm_lite import __version__, settings
from azurerm_lite.settings import CHINA, CLOUDS, PUBLIC, US_GOVERNMENT, Cloud

ENDPOINTS = ("AZURE_RM_ENDPOINT", "AZURE_AUTH_ENDPOINT", "AZURE_AUTHORITY_HOST")


def test_the_public_cloud_is_the_default() -> None:
    """Without variables, all endpoints are those of the public cloud."""
    assert settings.cloud() == Cloud(
        "https://management.azure.com",
        "https://login.microsoftonline.com",
        "https://management.core.windows.net/",
    )


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        (
            "AZURE_RM_ENDPOINT",
            "https://rm.example",
            PUBLIC._replace(resource_manager="https://rm.example"),
        ),
        (
            "AZURE_AUTH_ENDPOINT",
            "https://login.example",
            PUBLIC._replace(authority="https://login.example"),
        ),
        (
            "AZURE_AUTHORITY_HOST",
            "https://login.example",
            PUBLIC._replace(authority="https://login.example"),
        ),
        (
            "AZURE_AUTHORITY_HOST",
            "login.example",
            PUBLIC._replace(authority="https://login.example"),
        ),
        (
            "AZURE_AUTHORITY_HOST",
            "login.example:8443/",
            PUBLIC._replace(authority="https://login.example:8443"),
        ),
        (
            "AZURE_RESOURCE_ENDPOINT",
            "https://audience.example/",
            PUBLIC._replace(resource="https://audience.example/"),
        ),
        (
            "AZURE_RM_ENDPOINT",
            " https://rm.example// ",
            PUBLIC._replace(resource_manager="https://rm.example"),
        ),
        (
            "AZURE_RM_ENDPOINT",
            "https://h/base/",
            PUBLIC._replace(resource_manager="https://h/base"),
        ),
        (
            "AZURE_RM_ENDPOINT",
            "http://127.0.0.1:5000",
            PUBLIC._replace(resource_manager="http://127.0.0.1:5000"),
        ),
        (
            "AZURE_RM_ENDPOINT",
            "http://[::1]:5000",
            PUBLIC._replace(resource_manager="http://[::1]:5000"),
        ),
        ("AZURE_RM_ENDPOINT", "", PUBLIC),
        ("AZURE_AUTHORITY_HOST", "  ", PUBLIC),
        ("AZURE_RESOURCE_ENDPOINT", " ", PUBLIC),
    ],
)
def test_a_variable_replaces_only_its_endpoint(
    variable: str, value: str, expected: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The value is normalized; a blank value counts as unset."""
    monkeypatch.setenv(variable, value)
    assert settings.cloud() == expected


@pytest.mark.parametrize(
    ("variable", "value", "cloud"),
    [
        ("AZURE_RM_ENDPOINT", "https://management.chinacloudapi.cn/", CHINA),
        ("AZURE_AUTH_ENDPOINT", "https://login.chinacloudapi.cn", CHINA),
        ("AZURE_AUTHORITY_HOST", "login.chinacloudapi.cn", CHINA),
        ("AZURE_RESOURCE_ENDPOINT", "https://management.core.chinacloudapi.cn/", CHINA),
        ("AZURE_RM_ENDPOINT", "https://management.usgovcloudapi.net", US_GOVERNMENT),
        ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us/", US_GOVERNMENT),
        ("AZURE_RESOURCE_ENDPOINT", "https://management.core.usgovcloudapi.net/", US_GOVERNMENT),
        ("AZURE_RM_ENDPOINT", "https://management.azure.com", PUBLIC),
    ],
)
def test_one_endpoint_of_a_known_cloud_brings_the_others(
    variable: str, value: str, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a variable has an endpoint of a known cloud, the others default to that cloud."""
    monkeypatch.setenv(variable, value)
    assert settings.cloud() == cloud


def test_our_own_name_for_the_authority_goes_before_the_common_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`AZURE_AUTH_ENDPOINT` has priority over `AZURE_AUTHORITY_HOST`."""
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us")
    monkeypatch.setenv("AZURE_AUTH_ENDPOINT", "https://login.chinacloudapi.cn")
    assert settings.cloud() == CHINA


def test_the_environment_is_read_at_call_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed variable takes effect with the next call."""
    monkeypatch.setenv("AZURE_RM_ENDPOINT", "https://one.example")
    first = settings.cloud().resource_manager
    monkeypatch.setenv("AZURE_RM_ENDPOINT", "https://two.example")
    assert (first, settings.cloud().resource_manager) == (
        "https://one.example",
        "https://two.example",
    )


@pytest.mark.parametrize("variable", ENDPOINTS)
@pytest.mark.parametrize(
    "value",
    [
        "ftp://rm.example",
        "https://",
        "https:///path",
        "://rm.example",
        "file:///etc/passwd",
        "https://[::1",
        "https://rm.example:port",
        "https://rm.example:99999",
        "https://rm.example?x=y",
        "https://rm.example#x",
    ],
)
def test_a_variable_that_is_not_a_url_is_named_in_the_error(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The `ValueError` has variable and value."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=variable) as caught:
        settings.cloud()
    assert repr(value) in str(caught.value)


@given(value=st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_any_value_is_an_endpoint_or_a_value_error(value: str) -> None:
    """An http or https URL without a trailing slash, or an error with the variable."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("AZURE_RM_ENDPOINT", value)
        try:
            outcome = settings.cloud().resource_manager
        except ValueError as error:
            outcome = f"refused: {error}"
    if outcome.startswith("refused: "):
        assert "AZURE_RM_ENDPOINT" in outcome
    else:
        assert outcome.lower().startswith(("https://", "http://"))
        assert not outcome.endswith("/")


def test_only_authorities_of_microsoft_count_as_published() -> None:
    """For a sandbox's authority MSAL must not send requests to Microsoft."""
    assert all(settings.is_published(known.authority) for known in CLOUDS)
    assert not settings.is_published("https://127.0.0.1:8443")
    assert not settings.is_published("https://login.microsoftonline.com.evil.example")


def test_the_version_is_one() -> None:
    """The package and its settings have the same version."""
    assert __version__ == settings.VERSION
