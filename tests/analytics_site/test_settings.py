"""What Django makes of the environment."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.exceptions import ImproperlyConfigured

from analytics_site import settings as module

VARIABLES = ("ALERT_EMAILS", "EMAIL_FROM", "EMAIL_HOST", "EMAIL_PASSWORD", "EMAIL_PORT", "EMAIL_TLS", "EMAIL_USER")


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def read() -> SimpleNamespace:
    """The settings, read again."""
    return SimpleNamespace(**runpy.run_path(str(module.__file__)))


def test_without_a_mail_server_nobody_is_mailed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASE_URL", "https://stats.example.com")
    found = read()
    assert (found.ALERT_EMAILS, found.EMAIL_HOST, found.EMAIL_HOST_USER, found.EMAIL_HOST_PASSWORD) == ([], "", "", "")
    assert found.DEFAULT_FROM_EMAIL == "footfall@stats.example.com"


@pytest.mark.parametrize(
    ("told", "port", "uses_tls", "uses_ssl"),
    [("", 587, True, False), ("STARTTLS", 587, True, False), ("ssl", 465, False, True), ("none", 25, False, False)],
)
def test_mail_is_encrypted_as_it_says_on_the_port_that_goes_with_it(
    monkeypatch: pytest.MonkeyPatch, told: str, port: int, uses_tls: bool, uses_ssl: bool
) -> None:
    monkeypatch.setenv("EMAIL_TLS", told)
    found = read()
    how = (found.EMAIL_PORT, found.EMAIL_USE_TLS, found.EMAIL_USE_SSL)
    assert how == (port, uses_tls, uses_ssl)


def test_a_mail_server_is_read_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret words\n")
    monkeypatch.setenv("EMAIL_PASSWORD_FILE", str(tmp_path / "password"))
    monkeypatch.setenv("ALERT_EMAILS", "ops@example.com, boss@example.com")
    for name, value in {
        "HOST": "mail.example.com",
        "PORT": "2525",
        "USER": "footfall",
        "FROM": "a@example.com",
    }.items():
        monkeypatch.setenv(f"EMAIL_{name}", value)
    found = read()
    assert found.ALERT_EMAILS == ["ops@example.com", "boss@example.com"]
    assert (found.EMAIL_HOST, found.EMAIL_PORT, found.DEFAULT_FROM_EMAIL) == ("mail.example.com", 2525, "a@example.com")
    assert (found.EMAIL_HOST_USER, found.EMAIL_HOST_PASSWORD) == ("footfall", "secret words")


@pytest.mark.parametrize(("name", "value"), [("EMAIL_TLS", "tls"), ("EMAIL_PORT", "0"), ("EMAIL_PORT", "smtp")])
def test_a_bad_value_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match=f"{name}={value}: must be"):
        read()
