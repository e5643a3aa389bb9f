import io
import itertools
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ingest import channels_past, writer
from ingest.channels_past import Found, Kept, found_again
from ingest.enrich import channel, source
from ingest.event import Context
from ingest.models import Session, Site
from tests.conftest import rows
from tests.ingest.examples import batch, event

MOMENT = datetime(2026, 11, 20, tzinfo=UTC)
HOST = "shop.example.com"
ADDRESSES = ["https://www.google.de/x", "http://t.co/a", "https://shop.example.com/", "-", "https://news.example/a?b#c"]


def write(site: Site, number: int = 1, **fields: Any) -> None:
    """A session of one page view, visitor NUMBER's."""
    writer.write([batch(site, event(visitor_id=number, hostname=HOST, path="/", **fields))])


def spoil(**fields: Any) -> None:
    """As if an older version had found something else."""
    Session.objects.update(**fields)


def acquired() -> list[tuple[Any, ...]]:
    return rows("SELECT source, channel FROM ingest_session ORDER BY visitor_id")


def recompute(site: Site, *options: str) -> str:
    told = io.StringIO()
    call_command("recompute_channels", "--site", site.key, *options, stdout=told)
    return told.getvalue().strip()


def kept(**fields: Any) -> Kept:
    empty = dict.fromkeys(Kept._fields)
    moments = {"id": 1, "started_at": MOMENT, "seen_from": MOMENT, "seen_until": MOMENT}
    return Kept(**{**empty, **moments, "source": "Direct", "channel": "Direct", "hostname": HOST, **fields})


def test_it_works(site: Site) -> None:
    write(site, 1, referrer="https://chatgpt.com/")
    write(site, 2, query="ref=fb&gclid=1")
    spoil(source="Old", channel="Referral")
    told = recompute(site)
    assert acquired() == [("ChatGPT", "AI Assistants"), ("Facebook", "Organic Social")]
    assert told.splitlines()[-1] == "2 of 2 sessions changed."
    assert "1  Referral -> AI Assistants" in told


def test_what_was_just_stored_is_right(site: Site) -> None:
    for number, (referrer, query) in enumerate(
        itertools.product(ADDRESSES, ["ref=hn", "utm_source=fb-ads", "gclid=1", None])
    ):
        write(site, number, referrer=referrer, query=query)
    assert recompute(site) == "0 of 20 sessions changed."


def test_run_again_it_changes_nothing_and_marks_nothing(site: Site) -> None:
    write(site, query="utm_source=x")
    spoil(channel="Email")
    recompute(site)
    rows("DELETE FROM ingest_dirty_hour RETURNING 1")
    assert recompute(site) == "0 of 1 sessions changed."
    assert rows("SELECT * FROM ingest_dirty_hour") == []


def test_every_hour_of_a_changed_session_is_made_again(site: Site) -> None:
    start = time.time() // 3600 * 3600 - 7200
    moments = [start + minute * 60 for minute in range(10, 140, 10)]
    writer.write([batch(site, *[event(ts=moment, hostname=HOST, path="/") for moment in moments])])
    rows("DELETE FROM ingest_dirty_hour RETURNING 1")
    spoil(channel="Email")
    recompute(site)
    found = rows("SELECT extract(epoch FROM hour)::bigint FROM ingest_dirty_hour ORDER BY 1")
    assert found == [(start,), (start + 3600,), (start + 7200,)]


def test_a_dry_run_counts_and_changes_nothing(site: Site) -> None:
    write(site)
    spoil(channel="Email")
    assert recompute(site, "--dry-run").endswith("1 of 1 sessions would change.")
    assert acquired() == [("Direct", "Email")]


def test_days_are_those_of_the_sites_zone(site: Site) -> None:
    Site.objects.update(timezone="Pacific/Auckland")
    noon = datetime.combine(datetime.now(UTC).date() - timedelta(days=2), datetime.min.time(), UTC) + timedelta(
        hours=12
    )
    write(site, 1, ts=noon.timestamp() - 7200)  # 23 or 22 o'clock there
    write(site, 2, ts=noon.timestamp() + 7200)  # the next day there
    spoil(channel="Email")
    day = f"{noon:%Y-%m-%d}"
    assert recompute(site, "--from", day, "--to", day).endswith("1 of 1 sessions changed.")
    assert acquired() == [("Direct", "Direct"), ("Direct", "Email")]


@pytest.mark.parametrize("day", ["2026-99-01", "soon", "9999-12-31", "0001-01-01"])
def test_a_day_that_cannot_be_is_named(site: Site, day: str) -> None:
    with pytest.raises(CommandError, match=f"--to: {day}: (is no day|must be from)"):
        recompute(site, "--to", day)


def test_it_goes_through_many_in_blocks(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels_past, "SESSIONS", 2)
    at = time.time() - 60
    writer.write([batch(site, *[event(visitor_id=number, ts=at) for number in range(1, 6)])])
    spoil(channel="Email")
    assert recompute(site).endswith("5 of 5 sessions changed.")
    assert set(acquired()) == {("Direct", "Direct")}


def test_another_sites_sessions_are_left_alone(site: Site) -> None:
    other = Site.objects.create(name="Other", domain="other.example.com")
    write(other)
    spoil(channel="Email")
    assert recompute(site) == "0 of 0 sessions changed."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"site": "nobody"}, "--site nobody: no active site has this key"),
        ({"from": "2026-11-02", "to": "2026-11-01"}, "the first day comes after the last"),
        ({"from": "soon"}, "--from"),
    ],
)
def test_what_cannot_be_done_is_said(site: Site, options: dict[str, str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        call_command(
            "recompute_channels", *[f"--{name}={text}" for name, text in {"site": site.key, **options}.items()]
        )


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        (kept(referrer="https://www.bing.com/"), Found("Bing", "Organic Search")),
        (kept(utm_source="fb", utm_medium="cpc"), Found("Facebook", "Paid Social")),
        (kept(click_ids={"gclid": "1"}), Found("Google", "Paid Search")),
        (kept(query="ref=hn"), Found("hn", "Referral")),
        (kept(source="Partner", channel="Email"), Found("Partner", "Email")),
        (kept(source="Google", referrer="https://shop.example.com/"), Found("Direct", "Direct")),
    ],
)
def test_it_finds_by_whatever_is_kept(session: Kept, expected: Found) -> None:
    assert found_again(session) == expected


def test_a_source_that_an_import_stated_stays(site: Site) -> None:
    write(site, context=Context(source="Google", channel="Email"))
    recompute(site)
    assert acquired() == [("Google", "Email")]


VALUES = st.sampled_from(
    ["google", "fb-ads", "Newsletter", "cpc", "paid social", "shopping", "a@b.example", "", "x" * 300]
)
NAMES = st.sampled_from([*source.CAMPAIGN, "ref", "source", "gclid", "fbclid", "msclkid", "UTM_SOURCE", "q"])


@given(st.sampled_from(ADDRESSES) | st.none(), st.lists(st.tuples(NAMES, VALUES), max_size=6))
@hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_was_just_written_is_found_again(referrer: str | None, said: list[tuple[str, str]]) -> None:
    query = "&".join(f"{name}={text}" for name, text in said)
    first = source.acquisition_of(referrer, query, HOST)
    named = channel.channel_of(first)
    stored = kept(channel=named, query=source.kept_query(query), **first._asdict())
    assert found_again(stored) == Found(first.source, named)
