"""DATABASE_URL as Django's settings."""

import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.db.backends.postgresql.base import DatabaseWrapper
from django.db.utils import ConnectionHandler

from analytics_site.database import from_url
from tests.conftest import database_url


def test_it_works() -> None:
    found = from_url("postgresql://ada:secret@db.example.com:5433/footfall")
    assert {name: found[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")} == {
        "NAME": "footfall", "USER": "ada", "PASSWORD": "secret", "HOST": "db.example.com", "PORT": "5433",
    }  # fmt: skip
    assert found["ENGINE"] == "django.db.backends.postgresql"
    assert found["CONN_HEALTH_CHECKS"]


def test_signs_in_a_password_are_escaped() -> None:
    assert from_url("postgres://a%40b:p%2F%3A%40%23s@h/n")["PASSWORD"] == "p/:@#s"
    assert from_url("postgres://a%40b:p@h/n")["USER"] == "a@b"


def test_what_is_not_said_is_left_to_the_library() -> None:
    assert "PORT" not in from_url("postgresql://ada@h/n")
    assert "PASSWORD" not in from_url("postgresql://ada@h/n")


@pytest.mark.parametrize(
    ("url", "host"),
    [("postgresql:///n?host=/run/pg", "/run/pg"), ("postgresql://%2Frun%2Fpg/n", "/run/pg"),
     ("postgresql://[::1]/n", "::1"),
     ("host=db dbname=n", "db"), ("postgresql://a,b/n", "a,b")],
)  # fmt: skip
def test_every_form_that_libpq_reads_is_read(url: str, host: str) -> None:
    assert from_url(url)["HOST"] == host


def test_options_are_passed_on() -> None:
    options = from_url("postgresql://h/n?sslmode=verify-full&connect_timeout=9")["OPTIONS"]
    assert options == {"sslmode": "verify-full", "connect_timeout": "9"}
    assert from_url("postgresql://h/n")["OPTIONS"] == {"connect_timeout": 5}


@pytest.mark.parametrize("url", [None, ""])
def test_without_a_server_the_first_query_is_refused(url: str | None) -> None:
    connections = ConnectionHandler({"default": from_url(url)})
    with pytest.raises(CommandError, match="DATABASE_URL"):
        connections["default"].cursor()


@pytest.mark.parametrize(
    "url", ["mysql://ada:s3cret@h/n", "postgresql://ada:s3cret@[::1/n", "postgresql://h/n?colour=red"]
)
def test_what_cannot_be_read_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^DATABASE_URL: .*Write postgresql://") as refused:
        from_url(url)
    assert "s3cret" not in str(refused.value)


def test_django_connects_with_it(django_db_setup: None) -> None:
    wrapper = ConnectionHandler({"default": from_url(database_url())})["default"]
    assert isinstance(wrapper, DatabaseWrapper)
    found: psycopg.Connection = wrapper.get_new_connection(wrapper.get_connection_params())
    found.close()
