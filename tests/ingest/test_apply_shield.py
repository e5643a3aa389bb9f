"""`manage.py apply_shield` and the task behind the page's button."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils.timezone import now

from ingest import shields_past, tasks
from ingest.models import Shield, Site
from ingest.writer import write
from tests.conftest import no_postgres, rows
from tests.ingest.examples import batch, event


@pytest.fixture
def shield(site: Site) -> Shield:
    events = [event(path=path, visitor_id=visitor) for visitor in (1, 2) for path in ("/a", "/x")]
    write([batch(site, *events, event(path="/x", visitor_id=3))])
    return Shield.objects.create(site=site, kind="path", value="/x")


def run(shield: Shield, *options: Any) -> str:
    out = StringIO()
    call_command("apply_shield", "--site", shield.site.key, "--rule", str(shield.pk), *options, stdout=out)
    return out.getvalue().strip()


def paths() -> list[str]:
    return [path for (path,) in rows("SELECT path FROM ingest_event ORDER BY path")]


def test_it_works(shield: Shield) -> None:
    told = run(shield)
    assert told.startswith("Path /x: took 3 events away from 3 sessions; ")
    assert told.endswith("hours have other figures.")
    assert paths() == ["/a", "/a"]


def test_a_second_run_finds_nothing(shield: Shield) -> None:
    run(shield)
    assert run(shield) == "Path /x: took 0 events away from 0 sessions; 0 hours have other figures."


def test_a_dry_run_tells_and_takes_nothing(shield: Shield) -> None:
    told = run(shield, "--dry-run")
    assert told.startswith("Dry run: Path /x covers 3 events (3 page views) of 3 sessions, 1 of them whole, since 20")
    assert len(paths()) == 5


def test_a_rule_of_another_site_is_not_found(shield: Shield) -> None:
    other = Site.objects.create(name="Other", domain="other.example.com")
    with pytest.raises(CommandError, match=f"--rule {shield.pk}: the site {other.key} has no such rule"):
        call_command("apply_shield", "--site", other.key, "--rule", str(shield.pk))


@pytest.mark.parametrize("days", ["0", "-1", "3651"])
def test_days_have_their_bounds(shield: Shield, days: str) -> None:
    with pytest.raises(CommandError, match=rf"--days {days}: must be from 1 to 3,650\."):
        run(shield, f"--days={days}")


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_addresses_have_no_past(site: Site, options: tuple[str, ...]) -> None:
    address = Shield.objects.create(site=site, kind="address", value="10.0.0.0/8")
    with pytest.raises(CommandError, match=r"10\.0\.0\.0/8: addresses are not kept"):
        run(address, *options)


def test_a_database_that_goes_away_is_said_with_the_way_out(committed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    shield = Shield.objects.create(site=committed, kind="path", value="/x")

    def gone(*_: Any) -> None:
        with no_postgres():
            rows("SELECT 1")

    monkeypatch.setattr(shields_past.removal, "find", gone)
    with pytest.raises(CommandError, match="Run the same command again: what is done stays done"):
        run(shield)


def test_the_task_applies_the_rule(shield: Shield) -> None:
    tasks.apply_shield(shield.pk)
    assert paths() == ["/a", "/a"]


@pytest.mark.parametrize(("minutes", "left"), [(4, 5), (6, 2)])
def test_the_task_leaves_a_rule_to_whoever_is_applying_it(shield: Shield, minutes: int, left: int) -> None:
    Shield.objects.update(applying_at=now() - timedelta(minutes=minutes))
    tasks.apply_shield(shield.pk)
    assert len(paths()) == left


def test_a_rule_that_has_no_past_is_not_left_as_being_applied(site: Site) -> None:
    shield = Shield.objects.create(site=site, kind="address", value="203.0.113.9")
    with pytest.raises(shields_past.NotKept):
        tasks.apply_shield(shield.pk)
    shield.refresh_from_db()
    assert shield.applying_at is None


def test_the_task_of_a_rule_that_is_gone_does_nothing(shield: Shield) -> None:
    tasks.apply_shield(shield.pk + 1)
    assert len(paths()) == 5


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the task asked the broker to hand it again, which would reach a worker."""
    asked: list[Any] = []
    monkeypatch.setattr(tasks.apply_shield, "apply_async", lambda args, **options: asked.append((args, options)))
    return asked


def test_rules_of_one_site_take_turns(shield: Shield, later: list[Any]) -> None:
    other = Shield.objects.create(site=shield.site, kind="path", value="/a", applying_at=now())
    tasks.apply_shield(shield.pk)
    assert later == [((shield.pk, shields_past.DAYS), {"countdown": tasks.TURN_SECONDS})]
    assert "/x" in paths()
    Shield.objects.filter(pk=other.pk).update(applying_at=None)
    tasks.apply_shield(shield.pk)
    assert "/x" not in paths()


def test_sites_do_not_wait_for_each_other(shield: Shield, later: list[Any]) -> None:
    elsewhere = Site.objects.create(name="Other", domain="other.example.com")
    Shield.objects.create(site=elsewhere, kind="path", value="/a", applying_at=now())
    tasks.apply_shield(shield.pk)
    assert later == []
    assert "/x" not in paths()
