"""What staff must hear of, over a real mail server."""

import logging
from collections.abc import Iterator
from email.message import EmailMessage

import pytest
from pytest_django import Settings

from ingest import alerts
from tests.conftest import CLOSED
from tests.mail_server import MailServer, mail_server

OPS = ["ops@example.com", "boss@example.com"]


@pytest.fixture(autouse=True)
def _by_mail(settings: Settings) -> None:
    """Django's tests keep mail in memory; here it goes over the wire."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_USE_TLS, settings.EMAIL_USE_SSL = "127.0.0.1", False, False
    settings.EMAIL_TIMEOUT = 5
    settings.ALERT_EMAILS, settings.DEFAULT_FROM_EMAIL = OPS, "footfall@example.com"


@pytest.fixture
def server(settings: Settings) -> Iterator[MailServer]:
    with mail_server() as found:
        settings.EMAIL_PORT = found.port
        yield found


def text_of(mail: EmailMessage) -> str:
    return str(mail.get_content()).strip()


def test_it_works(server: MailServer) -> None:
    assert alerts.send("cleanup fails", "The disk is full.")
    [mail] = server.mails
    assert (mail["Subject"], mail["From"]) == ("Footfall: cleanup fails", "footfall@example.com")
    assert text_of(mail) == "The disk is full."
    assert server.recipients == OPS
    assert server.logins == []


def test_it_is_a_line_of_the_log_as_well(server: MailServer, caplog: pytest.LogCaptureFixture) -> None:
    alerts.send("cleanup fails", "The disk\nis full.")
    assert caplog.record_tuples == [("ingest.alerts", logging.ERROR, "cleanup fails: The disk is full.")]


def test_it_logs_in_where_the_server_wants_that(server: MailServer, settings: Settings) -> None:
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "footfall", "secret words"
    assert alerts.send("cleanup fails", "The disk is full.")
    assert server.logins == [["footfall", "secret words"]]


def test_a_line_break_in_a_subject_is_no_header(server: MailServer) -> None:
    assert alerts.send("cleanup fails\r\nBcc: everybody@example.com", "Once.")
    assert server.mails[0]["Subject"] == "Footfall: cleanup fails Bcc: everybody@example.com"
    assert server.recipients == OPS


def test_words_of_any_script_arrive(server: MailServer) -> None:
    alerts.send("cleanup fails", "Straße, 東京")
    assert text_of(server.mails[0]) == "Straße, 東京"


@pytest.mark.parametrize(("emails", "host"), [([], "127.0.0.1"), (OPS, "")])
def test_without_addresses_or_a_server_the_log_says_it_alone(
    server: MailServer, settings: Settings, caplog: pytest.LogCaptureFixture, emails: list[str], host: str
) -> None:
    settings.ALERT_EMAILS, settings.EMAIL_HOST = emails, host
    assert alerts.send("cleanup fails", "The disk is full.")
    assert "cleanup fails: The disk is full." in caplog.text
    assert server.mails == []


def test_a_server_that_is_away_fails_nothing(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.EMAIL_PORT = CLOSED
    assert not alerts.send("cleanup fails", "The disk is full.")
    assert "No alert could be mailed by 127.0.0.1: " in caplog.text


def test_a_server_that_refuses_everybody_fails_nothing(settings: Settings) -> None:
    with mail_server(refused=tuple(OPS)) as server:
        settings.EMAIL_PORT = server.port
        assert not alerts.send("cleanup fails", "The disk is full.")
        assert server.mails == []


@pytest.mark.parametrize("address", ["ops@", "a@b@c", "\ud800@example.com"])
def test_what_is_no_address_fails_nothing(
    server: MailServer, settings: Settings, caplog: pytest.LogCaptureFixture, address: str
) -> None:
    settings.ALERT_EMAILS = [address]
    assert not alerts.send("cleanup fails", "The disk is full.")
    assert caplog.messages[-1].startswith("No alert could be mailed by 127.0.0.1: ")


def test_a_server_that_says_nothing_is_not_waited_for(settings: Settings) -> None:
    settings.EMAIL_TIMEOUT = 0.2
    with mail_server(is_silent=True) as server:
        settings.EMAIL_PORT = server.port
        assert not alerts.send("cleanup fails", "The disk is full.")
