import io
import sys
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from ingest.checks import settings_fit


def test_it_works() -> None:
    assert settings_fit() == []


def test_a_geography_file_that_cannot_be_read_is_told_when_a_command_starts(settings: Settings, tmp_path: Path) -> None:
    settings.INGEST_GEO_DATABASE = [str(tmp_path / "none.mmdb"), __file__]
    told = io.StringIO()
    call_command("check", stderr=told)
    assert told.getvalue().count("(ingest.W001)") == 2
    assert "none.mmdb: cannot be read (No such file or directory)" in told.getvalue()


@pytest.mark.parametrize(("proxies", "ids"), [(0, ["ingest.W002"]), (1, [])])
def test_a_country_header_needs_a_proxy_that_writes_it(settings: Settings, proxies: int, ids: list[str]) -> None:
    settings.INGEST_COUNTRY_HEADER, settings.INGEST_TRUSTED_PROXIES = "CF-IPCountry", proxies
    assert [found.id for found in settings_fit()] == ids


@pytest.mark.parametrize(("host", "ids"), [("", ["ingest.W003"]), ("mail.example.com", [])])
def test_alerts_need_a_mail_server(settings: Settings, host: str, ids: list[str]) -> None:
    settings.ALERT_EMAILS, settings.EMAIL_HOST = ["ops@example.com"], host
    assert [found.id for found in settings_fit()] == ids


def test_archives_need_pyarrow(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.INGEST_ARCHIVE_DIR = "/var/lib/footfall/archive"
    assert settings_fit() == []
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as where it is not installed
    monkeypatch.setattr("importlib.util.find_spec", lambda name: sys.modules.get(name))
    [found] = settings_fit()
    assert found.id == "ingest.E001"
    assert "requirements-archive.txt" in str(found.hint)
