"""Log-in, its throttle and log-out."""

import logging
import socket
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.signals import user_login_failed
from django.db import connection
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from ingest.models import Site
from reports import throttle
from reports.models import User

PASSWORD = "four-words-of-the-owner"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _quick_hashes(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def alice() -> User:
    """A new address each time: what was counted for another test is not hers."""
    return User.objects.create_user(f"alice-{uuid.uuid4().hex[:8]}@example.com", PASSWORD)


def try_in(client: Client, email: str, password: str, **more: str) -> tuple[int, str]:
    response = client.post("/login", {"email": email, "password": password, **more})
    return response.status_code, response.content.decode()


def test_it_works(client: Client, alice: User) -> None:
    response = client.post("/login", {"email": alice.email.upper(), "password": PASSWORD})
    assert response.headers["Location"] == reverse("sites")
    assert client.session["_auth_user_id"] == str(alice.pk)


def test_it_shows_the_form_to_a_stranger(client: Client) -> None:
    page = client.get("/login").content.decode()
    assert 'name="email"' in page
    assert 'name="password"' in page


def test_it_says_how_many_tries_are_left(client: Client, alice: User) -> None:
    status, page = try_in(client, alice.email, "wrong")
    assert status == 422
    assert "E-mail and password do not match. 4 tries left, then a pause of 5 minutes." in page


def test_it_marks_the_field_and_keeps_the_address(client: Client, alice: User) -> None:
    _, page = try_in(client, alice.email, "wrong")
    assert f'value="{alice.email}"' in page
    assert 'aria-invalid="true" aria-describedby="error"' in page
    assert 'value="wrong"' not in page


def test_an_unknown_address_is_answered_like_a_known_one(client: Client, alice: User) -> None:
    known = try_in(client, alice.email, "wrong")[1]
    unknown = try_in(client, f"nobody-{uuid.uuid4().hex}@example.com", "wrong")[1]
    assert "4 tries left" in known
    assert "4 tries left" in unknown


def test_it_pauses_after_five_tries_even_for_the_right_password(client: Client, alice: User) -> None:
    for _ in range(throttle.TRIES):
        try_in(client, alice.email, "wrong")
    status, page = try_in(client, alice.email, PASSWORD)
    assert status == 429
    assert "Too many tries for this account. Try again in 5 minutes." in page


def test_another_network_is_not_paused(client: Client, alice: User) -> None:
    for _ in range(throttle.TRIES):
        try_in(client, alice.email, "wrong")
    response = Client(REMOTE_ADDR="198.51.100.7").post("/login", {"email": alice.email, "password": PASSWORD})
    assert response.status_code == 302


def test_a_log_in_that_works_clears_the_count(client: Client, alice: User) -> None:
    try_in(client, alice.email, "wrong")
    try_in(Client(), alice.email, PASSWORD)
    assert "4 tries left" in try_in(Client(), alice.email, "wrong")[1]


# --- Many at once -----------------------------------------------------------------------------------------


@pytest.fixture
def looked_at() -> Iterator[list[str]]:
    """The accounts whose password was compared, and did not match."""
    names: list[str] = []

    def note(sender: Any, credentials: dict[str, Any], **_: Any) -> None:
        names.append(credentials["username"])

    user_login_failed.connect(note)
    yield names
    user_login_failed.disconnect(note)


def try_at_once(emails: list[str]) -> list[int]:
    """The statuses of wrong passwords that all arrive in one moment."""
    start = threading.Barrier(len(emails))

    def one(email: str) -> int:
        start.wait(timeout=30)
        try:
            return try_in(Client(), email, "wrong")[0]
        finally:
            connection.close()

    with ThreadPoolExecutor(len(emails)) as pool:
        return sorted(pool.map(one, emails))


def test_tries_at_once_are_no_more_than_one_after_another(committed: Site, looked_at: list[str]) -> None:
    statuses = try_at_once(["alice@example.com"] * 20)
    assert statuses == [422] * throttle.TRIES + [429] * (20 - throttle.TRIES)
    assert looked_at == ["alice@example.com"] * throttle.TRIES


def test_a_network_has_so_many_tries_over_all_accounts(
    committed: Site, looked_at: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each costs a hash, made slow on purpose, and a thread as long."""
    monkeypatch.setattr(throttle, "NETWORK_TRIES", 8, raising=False)
    statuses = try_at_once([f"nobody-{number}@example.com" for number in range(20)])
    assert statuses == [422] * 8 + [429] * 12
    assert len(looked_at) == 8


def test_a_log_in_that_works_gives_the_network_no_new_tries(
    client: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "NETWORK_TRIES", 2, raising=False)
    statuses = [try_in(Client(), alice.email, PASSWORD)[0] for _ in range(3)]
    assert statuses == [302, 302, 429]
    assert "Too many tries from your network. Try again in 5 minutes." in try_in(client, alice.email, PASSWORD)[1]


def test_the_last_try_of_a_network_is_said_to_be_the_last(
    client: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "NETWORK_TRIES", 2, raising=False)
    assert "1 try left" in try_in(client, alice.email, "wrong")[1]
    assert "Too many tries from your network." in try_in(client, alice.email, "wrong")[1]


def test_what_was_refused_does_not_prolong_the_pause(client: Client, alice: User) -> None:
    for _ in range(throttle.TRIES + 3):
        try_in(client, alice.email, "wrong")
    counted = [int(throttle._redis().get(name) or 0) for name in throttle._redis().scan_iter("footfall:login:*")]
    assert counted == [throttle.TRIES, throttle.TRIES]


def test_the_pause_of_a_network_begins_with_its_first_try(client: Client, alice: User) -> None:
    """Else a busy one, whose log-ins never cease, would stay out for ever."""
    try_in(client, alice.email, PASSWORD)
    (counter,) = throttle._redis().scan_iter("footfall:login:*")
    throttle._redis().expire(counter, 60)
    try_in(Client(), alice.email, PASSWORD)
    assert throttle._redis().ttl(counter) <= 60


# --- Without Redis ----------------------------------------------------------------------------------------


@pytest.fixture
def redis_at(settings: Settings) -> Iterator[Any]:
    """Call it with a port to have the throttle look for Redis there, or with an address."""

    def moved(place: int | str) -> None:
        settings.REDIS_CACHE_URL = place if isinstance(place, str) else f"redis://127.0.0.1:{place}/0"
        throttle._redis.cache_clear()

    throttle._redis.cache_clear()
    yield moved
    throttle._redis.cache_clear()


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "", "localhost:6379", "redis://localhost:port/0"])
def test_it_goes_on_without_redis(
    client: Client, alice: User, redis_at: Any, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    redis_at(url)
    with caplog.at_level(logging.WARNING):
        assert "4 tries left" in try_in(client, alice.email, "wrong")[1]
        assert try_in(client, alice.email, PASSWORD)[0] == 302
    assert "log-ins are not throttled" in caplog.text


def test_a_redis_that_does_not_answer_is_asked_once(redis_at: Any) -> None:
    """Repeats would hold the thread of each log-in several times as long."""
    with socket.create_server(("127.0.0.1", 0), backlog=20) as silent:
        redis_at(silent.getsockname()[1])
        assert throttle.count("alice@example.com", "192.0.2.1").is_allowed
        silent.settimeout(0.05)
        silent.accept()[0].close()
        with pytest.raises(TimeoutError):
            silent.accept()


# --- What is kept -----------------------------------------------------------------------------------------


def test_redis_keeps_no_address(client: Client, alice: User) -> None:
    Client(REMOTE_ADDR="203.0.113.77").post("/login", {"email": alice.email, "password": "wrong"})
    names = b" ".join(throttle._redis().scan_iter("footfall:login:*"))
    assert names
    assert b"203.0.113" not in names
    assert alice.email.encode() not in names


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("", "unknown"),
    ],
)
def test_a_network_is_what_one_person_can_change_at_will(address: str, network: str) -> None:
    assert throttle.network_of(address) == network


@pytest.mark.parametrize(
    ("email", "password", "message"),
    [
        ("", "x", "Write the e-mail address of your account."),
        ("owner", "x", "An e-mail address has a name, an @ and a domain: owner@example.com."),
        ("owner@example.com", "", "Write the password of your account."),
    ],
)
def test_it_names_what_is_missing(client: Client, email: str, password: str, message: str) -> None:
    status, page = try_in(client, email, password)
    assert status == 422
    assert message in page


def test_it_returns_to_the_page_asked_for(client: Client, alice: User) -> None:
    response = client.post("/login", {"email": alice.email, "password": PASSWORD, "next": "/sites/new"})
    assert response.headers["Location"] == "/sites/new"


@pytest.mark.parametrize(
    "next_page", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "\\\\evil.example"]
)
def test_it_never_leads_to_another_host(client: Client, alice: User, next_page: str) -> None:
    response = client.post("/login", {"email": alice.email, "password": PASSWORD, "next": next_page})
    assert response.headers["Location"] == reverse("sites")


def test_the_session_key_changes_at_log_in(client: Client, alice: User) -> None:
    client.session.save()
    before = client.session.session_key
    try_in(client, alice.email, PASSWORD)
    assert client.session.session_key != before


def test_an_inactive_person_is_refused(client: Client, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert try_in(client, alice.email, PASSWORD)[0] == 422


def test_log_out_needs_a_post(client: Client, alice: User) -> None:
    client.force_login(alice)
    assert client.get("/logout").status_code == 405
    assert client.post("/logout").headers["Location"] == "/login"
    assert "_auth_user_id" not in client.session


def test_log_in_without_its_token_is_refused_in_words(alice: User) -> None:
    response = Client(enforce_csrf_checks=True).post("/login", {"email": alice.email, "password": PASSWORD})
    assert response.status_code == 403
    assert "This form has expired" in response.content.decode()


def test_a_person_who_is_in_is_led_on(client: Client, alice: User) -> None:
    client.force_login(alice)
    assert client.get("/login").headers["Location"] == reverse("sites")
