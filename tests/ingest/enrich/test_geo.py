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
from ingest.steps import sender_at

LONDON = {
    "country": {"iso_code": "GB", "names": {"en": "United Kingdom"}},
    "subdivisions": [{"iso_code": "ENG", "names": {"en": "England"}}, {"iso_code": "WBK"}],
    "city": {"names": {"de": "London", "en": "London"}},
    "location": {"latitude": 51.5142, "longitude": -0.0931},
}


@pytest.fixture(autouse=True)
def _reopen() -> Iterator[None]:
    yield
    geo._files.clear()
    geo._warn.cache_clear()


def made(path: Path, record: Any, network: str = "81.2.69.0/24") -> str:
    """A database in which only NETWORK has a record; in place of an older one as a careful operator puts it there."""
    writer = MMDBWriter(4, float_type="f64")
    writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(path.with_suffix(".new")))
    path.with_suffix(".new").replace(path)
    return str(path)


def use(settings: Settings, folder: Path, record: Any) -> None:
    settings.INGEST_GEO_DATABASE = [made(folder / "places.mmdb", record)]


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


@pytest.mark.parametrize("code", ["ZZ", "A1", "", "GBR", "ßß", 7])
def test_a_code_that_is_no_country_is_none(code: Any) -> None:
    assert geo.code(code) is None


@pytest.mark.parametrize(
    "record", ["GB", {"country": "GB"}, {"subdivisions": {}, "location": []}, {"city": {"names": 1}}]
)
def test_a_record_of_another_shape_leaves_the_country_to_the_file_that_comes_along(
    settings: Settings, tmp_path: Path, record: Any
) -> None:
    use(settings, tmp_path, record)
    assert locate("81.2.69.142") == Place("GB")


@pytest.mark.parametrize(("address", "country"), [("9.9.9.9", "US"), ("2a01:4f8::1", "DE")])
def test_an_address_that_the_file_does_not_cover_has_its_country(
    settings: Settings, tmp_path: Path, address: str, country: str
) -> None:
    use(settings, tmp_path, LONDON)
    assert locate(address) == Place(country)


# --- Two files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({"country_code": "GB"}, LONDON, Place("GB", "England", "London", 51.5142, -0.0931)),
        (LONDON, {"country_code": "GB"}, Place("GB", "England", "London", 51.5142, -0.0931)),
        ({"country_code": "IE"}, LONDON, Place("IE")),
        ({"country_code": "ZZ"}, {"country_code": "FR"}, Place("FR")),
        ({"country_code": "ZZ"}, {"country_code": ""}, Place("GB")),
    ],
)
def test_the_second_file_adds_what_agrees_with_the_first(
    settings: Settings, tmp_path: Path, first: Any, second: Any, expected: Place
) -> None:
    settings.INGEST_GEO_DATABASE = [made(tmp_path / "a.mmdb", first), made(tmp_path / "b.mmdb", second)]
    assert locate("81.2.69.142") == expected


def test_a_missing_first_file_leaves_the_second(settings: Settings, tmp_path: Path) -> None:
    settings.INGEST_GEO_DATABASE = ["/nowhere/places.mmdb", made(tmp_path / "b.mmdb", LONDON)]
    assert locate("81.2.69.142").city == "London"


@pytest.mark.parametrize(
    ("country", "expected"), [("GB", ("GB", "London")), ("FR", ("FR", None)), (None, ("GB", "London"))]
)
def test_a_city_counts_only_in_the_country_that_the_proxy_says(
    settings: Settings, tmp_path: Path, country: str | None, expected: tuple[str, str | None]
) -> None:
    use(settings, tmp_path, LONDON)
    found = sender_at("81.2.69.142", "", country)
    assert (found.country, found.city) == expected


# --- Files that fail --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/nowhere/places.mmdb", __file__, "/"])
def test_a_file_that_cannot_be_read_is_told_once_and_costs_no_country(
    settings: Settings, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    settings.INGEST_GEO_DATABASE = [path]
    with caplog.at_level(logging.WARNING, "ingest.enrich.geo"):
        assert [locate("8.8.8.8"), locate("88.99.1.1")] == [Place("US"), Place("DE")]
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [f"INGEST_GEO_DATABASE={path}"]


def damage(path: Path) -> None:
    """In place, as no careful operator writes."""
    start = path.read_bytes().index(b"iso_code")
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"\xff" * 60)


@pytest.mark.parametrize("is_open", [True, False])
def test_a_damaged_file_costs_the_city_and_nothing_else(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture, is_open: bool
) -> None:
    use(settings, tmp_path, LONDON)
    if is_open:
        assert locate("81.2.69.142").city == "London"
    damage(tmp_path / "places.mmdb")
    assert locate("81.2.69.142") == Place("GB")
    assert "cannot be read" in caplog.text
    assert len(list(geo.shortcomings())) == 1


def test_a_replaced_file_is_read_after_a_while(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(settings, tmp_path, LONDON)
    assert locate("81.2.69.142").city == "London"
    use(settings, tmp_path, {"country_code": "GB", "city": "Leeds"})
    assert locate("81.2.69.142").city == "London"
    monkeypatch.setattr(geo, "LOOK_AGAIN_SECONDS", 0.0)
    geo._files.update({path: file._replace(until=0.0) for path, file in geo._files.items()})
    assert locate("81.2.69.142").city == "Leeds"


def test_a_file_that_is_replaced_by_rubbish_stays_as_it_was(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(geo, "LOOK_AGAIN_SECONDS", 0.0)
    use(settings, tmp_path, LONDON)
    assert locate("81.2.69.142").city == "London"
    (tmp_path / "rubbish").write_text("no database")
    (tmp_path / "rubbish").replace(tmp_path / "places.mmdb")
    assert [locate("81.2.69.142").city, locate("81.2.69.142").city] == ["London", "London"]
    assert len(caplog.records) == 1


def test_the_address_is_in_no_message(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.INGEST_GEO_DATABASE = ["/nowhere/places.mmdb"]
    locate("203.0.113.77")
    locate("not 203.0.113.77 an address")
    assert "203.0.113" not in caplog.text
