import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet  # type: ignore[import-untyped]
from pytest_django import Settings

from ingest.enrich import geo
from ingest.enrich.geo import Place, locate

LONDON = {
    "country": {"iso_code": "GB", "names": {"en": "United Kingdom"}},
    "subdivisions": [{"iso_code": "ENG", "names": {"en": "England"}}, {"iso_code": "WBK"}],
    "city": {"names": {"de": "London", "en": "London"}},
    "location": {"latitude": 51.5142, "longitude": -0.0931},
}


@pytest.fixture(autouse=True)
def _reopen() -> Iterator[None]:
    yield
    geo._open.cache_clear()
    geo._warn.cache_clear()


def use(settings: Settings, folder: Path, record: Any, network: str = "81.2.69.0/24", ip_version: int = 4) -> None:
    """Let geo read a database in which only NETWORK has a record."""
    writer = MMDBWriter(ip_version, float_type="f64", ipv4_compatible=ip_version == 6)
    writer.insert_network(IPSet([network]), record)
    path = folder / "places.mmdb"
    writer.to_db_file(str(path))
    settings.INGEST_GEO_DATABASE = str(path)


def test_it_works() -> None:
    assert locate("8.8.8.8") == Place(country="US")


@pytest.mark.parametrize(
    ("address", "country"),
    [("88.99.1.1", "DE"), ("83.149.9.216", "RU"), ("2a01:4f8::1", "DE"), ("::ffff:8.8.8.8", "US"), (" 8.8.8.8 ", "US")],
)
def test_the_file_that_comes_along_knows_countries(address: str, country: str) -> None:
    assert locate(address).country == country


@pytest.mark.parametrize(
    "address",
    [
        "",
        "x",
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "::1",
        "fe80::1%eth0",
        "300.1.1.1",
        "1.2.3.4, 5.6.7.8",
        "1.2.3.4:80",
    ],
)
def test_what_is_no_public_address_is_nowhere(address: str) -> None:
    assert locate(address) == Place()


def test_it_reads_the_layout_of_maxmind(settings: Settings, tmp_path: Path) -> None:
    use(settings, tmp_path, LONDON)
    assert locate("81.2.69.142") == Place("GB", "England", "London", 51.5142, -0.0931)


def test_it_reads_the_flat_layout(settings: Settings, tmp_path: Path) -> None:
    use(settings, tmp_path, {"country_code": "gb", "state1": "England", "city": "London", "latitude": "51.5"})
    assert locate("81.2.69.142") == Place("GB", "England", "London", 51.5, None)


def test_a_region_without_a_name_is_told_by_its_code(settings: Settings, tmp_path: Path) -> None:
    use(settings, tmp_path, {"country": {"iso_code": "GB"}, "subdivisions": [{"iso_code": "ENG"}]})
    assert locate("81.2.69.142").region == "ENG"


def test_the_registrants_country_stands_in(settings: Settings, tmp_path: Path) -> None:
    use(settings, tmp_path, {"registered_country": {"iso_code": "FR"}})
    assert locate("81.2.69.142").country == "FR"


@pytest.mark.parametrize("code", ["ZZ", "A1", "", "GBR", 7])
def test_a_code_that_is_no_country_is_none(settings: Settings, tmp_path: Path, code: Any) -> None:
    use(settings, tmp_path, {"country_code": code})
    assert locate("81.2.69.142") == Place()


@pytest.mark.parametrize(
    "record", ["GB", {"country": "GB"}, {"subdivisions": {}, "location": []}, {"city": {"names": 1}}]
)
def test_a_record_of_another_shape_is_nowhere(settings: Settings, tmp_path: Path, record: Any) -> None:
    use(settings, tmp_path, record)
    assert locate("81.2.69.142") == Place()


def test_an_address_that_the_file_does_not_cover_is_nowhere(settings: Settings, tmp_path: Path) -> None:
    use(settings, tmp_path, LONDON)
    assert locate("9.9.9.9") == Place()
    assert locate("2a01:4f8::1") == Place()


def test_a_missing_file_is_told_once(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.INGEST_GEO_DATABASE = "/nowhere/places.mmdb"
    with caplog.at_level(logging.WARNING, "ingest.enrich.geo"):
        assert [locate("8.8.8.8"), locate("9.9.9.9")] == [Place(), Place()]
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "INGEST_GEO_DATABASE=/nowhere/places.mmdb"
    ]


def test_a_file_of_something_else_is_told_once(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.INGEST_GEO_DATABASE = __file__
    with caplog.at_level(logging.WARNING, "ingest.enrich.geo"):
        assert [locate("8.8.8.8"), locate("9.9.9.9")] == [Place(), Place()]
    assert len(caplog.records) == 1


def test_a_damaged_file_costs_the_place_and_nothing_else(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    use(settings, tmp_path, LONDON)
    path = tmp_path / "places.mmdb"
    whole = path.read_bytes()
    start = whole.index(b"iso_code")
    path.write_bytes(whole[:start] + b"\xff" * 60 + whole[start + 60 :])
    assert locate("81.2.69.142") == Place()
    assert "cannot be read" in caplog.text


def test_the_address_is_in_no_message(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.INGEST_GEO_DATABASE = "/nowhere/places.mmdb"
    locate("203.0.113.77")
    locate("not 203.0.113.77 an address")
    assert "203.0.113" not in caplog.text
