import gzip
import io
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command

from ingest import quarantine, writer
from ingest.enrich.bots import is_bot
from ingest.importers import run
from ingest.models import Site
from tests.conftest import database_url, no_postgres, rows
from tests.ingest.examples import ADDRESS, CHROME

ROOT = Path(__file__).resolve().parents[2]
REAL_LOG = ROOT / "tests" / "data" / "access.log.gz"
FIGURES = """
SELECT (SELECT count(*) FROM ingest_event), (SELECT count(*) FROM ingest_session),
       (SELECT count(*) FROM ingest_visitor), (SELECT sum(page_views) FROM ingest_session)
"""
SESSIONS = """
SELECT visitor_id, started_at, last_activity, first_event, entry_page, exit_page, page_views, is_bounce,
       is_new_visitor, source, channel, browser, country FROM ingest_session ORDER BY 1, 2
"""
BY_DAY = """
SELECT started_at::date::text, sum(page_views)::int, count(DISTINCT visitor_id)::int, count(*)::int
FROM ingest_session GROUP BY 1 ORDER BY 1
"""


def import_events(site: Site, path: Path | str, format_: str = "access-log", **options: Any) -> dict[str, Any]:
    """The command's JSON answer."""
    told = io.StringIO()
    call_command("import_events", str(path), format=format_, site=site.key, json=True, stdout=told, **options)
    answer: dict[str, Any] = json.loads(told.getvalue())
    return answer


def some(answer: dict[str, Any]) -> dict[str, int]:
    return {outcome: count for outcome, count in answer["outcomes"].items() if count}


def line(minute: int = 0, path: str = "/", address: str = ADDRESS, status: int = 200, agent: str = CHROME) -> str:
    at = datetime(2015, 5, 17, 22, 0) + timedelta(minutes=minute)  # noqa: DTZ001  written with its zone below
    return f'{address} - - [{at:%d/%b/%Y:%H:%M:%S} +0000] "GET {path} HTTP/1.1" {status} 51 "-" "{agent}"\n'


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Two sessions of one visitor, and what else is in a log."""
    path = tmp_path / "access.log"
    path.write_text(
        line(0, "/") + line(1, "/a") + line(1, "/logo.png") + line(2, "/gone", status=404) + line(2, agent="curl/8")
        + line(60, "/b") + "\n" + "nonsense\n" + line(60, "/b")
    )  # fmt: skip
    return path


def test_it_works(site: Site, log: Path) -> None:
    answer = import_events(site, log)
    assert some(answer) == {
        "recorded": 3, "repeated": 1, "static": 1, "error_status": 1, "bot": 1, "empty": 1, "malformed": 1,
    }  # fmt: skip
    assert answer["lines"] == 9
    assert [sample["line"] for sample in answer["malformed"]] == [8]
    assert rows("SELECT page_views, entry_page, exit_page FROM ingest_session ORDER BY started_at") == [
        (2, "/", "/a"),
        (1, "/b", "/b"),
    ]


def test_the_same_file_twice_changes_nothing(site: Site, log: Path) -> None:
    import_events(site, log)
    before = rows(SESSIONS), rows(FIGURES)
    assert some(import_events(site, log))["repeated"] == 4
    assert (rows(SESSIONS), rows(FIGURES)) == before


def test_an_overlapping_file_brings_only_what_is_new(site: Site, log: Path, tmp_path: Path) -> None:
    import_events(site, log)
    rotated = tmp_path / "access.log.1.gz"
    rotated.write_bytes(gzip.compress((line(1, "/a") + line(60, "/b") + line(61, "/c")).encode()))
    assert some(import_events(site, rotated)) == {"recorded": 1, "repeated": 2}
    assert rows("SELECT page_views, exit_page FROM ingest_session ORDER BY started_at") == [(2, "/a"), (2, "/c")]


def test_standard_input_is_read(site: Site, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with log.open() as content:
        monkeypatch.setattr(sys, "stdin", content)
        assert some(import_events(site, "-"))["recorded"] == 3


def test_a_dry_run_stores_nothing(site: Site, log: Path) -> None:
    answer = import_events(site, log, dry_run=True)
    assert (answer["dry_run"], sum(answer["outcomes"].values())) == (True, 9)
    assert rows(FIGURES) == [(0, 0, 0, None)]


def test_the_host_may_be_said(site: Site, log: Path) -> None:
    import_events(site, log, host="Docs.Example.com")
    assert rows("SELECT DISTINCT hostname FROM ingest_event") == [("docs.example.com",)]


def test_people_read_a_table(site: Site, log: Path) -> None:
    told = io.StringIO()
    call_command("import_events", str(log), format="access-log", site=site.key, dry_run=True, stdout=told)
    text = told.getvalue()
    assert text.startswith("Dry run: nothing was stored.")
    assert "4  recorded" in text
    assert "9  lines in" in text
    assert "line 8: not the combined format" in text


def test_an_unknown_site_is_refused(db: None, log: Path) -> None:
    with pytest.raises(CommandError, match=r"--site ff_nobody: no active site has this key"):
        call_command("import_events", str(log), format="access-log", site="ff_nobody")


def test_a_missing_file_is_told(site: Site) -> None:
    with pytest.raises(CommandError, match=r"/nowhere/log: No such file or directory"):
        call_command("import_events", "/nowhere/log", format="access-log", site=site.key)


def test_a_cut_off_packed_file_is_told_and_the_rest_kept(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "log.gz"
    path.write_bytes(gzip.compress((line(0) + line(1, "/a")).encode())[:-12])
    with pytest.raises(CommandError, match=r"log\.gz"):
        import_events(site, path)


def test_the_sender_is_found_nowhere(site: Site, log: Path) -> None:
    import_events(site, log)
    tables = [name for (name,) in rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    found = [name for name in tables if rows(f'SELECT 1 FROM "{name}" t WHERE t::text LIKE %s', f"%{ADDRESS}%")]
    assert found == []


def test_blocks_of_any_size_make_the_same_sessions(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    import_events(site, REAL_LOG)
    expected = rows(SESSIONS)
    empty()
    monkeypatch.setattr(run, "BATCH_EVENTS", 37)
    import_events(site, REAL_LOG)
    assert rows(SESSIONS) == expected


def empty() -> None:
    writer.connected().execute("DELETE FROM ingest_event; DELETE FROM ingest_session; DELETE FROM ingest_visitor")


def test_jsonl_brings_events_with_their_context(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    one = {"name": "pageview", "timestamp": "2014-03-01T10:00:00Z", "visitor_id": "v", "url": "https://a.example/x"}
    stated = {"country": "FR", "browser": "Firefox", "device": "phone", "source": "Google", "channel": "Email"}
    later = {**one, "name": "signup", "timestamp": "2014-03-01T10:01:00Z"}
    path.write_text(json.dumps({**one, **stated}) + "\n{broken\n" + json.dumps(later) + "\n")
    answer = import_events(site, path, "jsonl")
    assert some(answer) == {"recorded": 2, "malformed": 1}
    assert answer["malformed"][0]["reason"].startswith("not JSON")
    assert rows("SELECT page_views, events, country, browser, device, source, channel FROM ingest_session") == [
        (1, 2, "FR", "Firefox", "phone", "Google", "Email")
    ]
    assert some(import_events(site, path, "jsonl")) == {"repeated": 2, "malformed": 1}


def test_a_stated_source_has_its_channel(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    one = {"name": "pageview", "timestamp": "2014-03-01T10:00:00Z"}
    stated = [{"source": "Google"}, {"utm_source": "fb", "utm_medium": "paid"}, {"source": "Reddit", "channel": "Ours"}]
    path.write_text("".join(json.dumps({**one, **origin}) + "\n" for origin in stated))
    import_events(site, path, "jsonl")
    assert rows("SELECT source, channel FROM ingest_session ORDER BY 1") == [
        ("Facebook", "Paid Social"),
        ("Google", "Organic Search"),
        ("Reddit", "Ours"),
    ]


# --- The real log, against a count that shares no code with the importer but what a bot is -------------------


def recount() -> dict[str, tuple[int, int, int]]:
    """Page views, visitors and sessions by day (UTC)."""
    seen = {tuple(text.split('"')) for text in gzip.decompress(REAL_LOG.read_bytes()).decode().splitlines()}
    times = defaultdict(list)
    for sender, at in (hit for parts in seen if (hit := shown(parts))):
        times[at.date(), sender].append(at)
    return {str(day): figures(day, times) for day in sorted({day for day, _ in times})}


def shown(parts: tuple[str, ...]) -> tuple[str, datetime] | None:
    if len(parts) < 7 or not parts[1].startswith("GET ") or parts[2].split()[0] not in ("200", "304"):
        return None
    path, _, query = parts[1].split()[1].partition("?")
    ending = path.rpartition("/")[2].partition(".")[2].rpartition(".")[2]
    is_feed = "flav=" in query or path.rstrip("/").endswith(("/feed", "/rss", "/atom"))
    if ending not in ("", "html", "xhtml", "access", "threads") or is_feed or is_bot(parts[5]):
        return None
    at = datetime.strptime(parts[0].split("[")[1].rstrip("] "), "%d/%b/%Y:%H:%M:%S %z")
    return f"{parts[0].split()[0]} {parts[5]}", at


def figures(day: Any, times: dict[tuple[Any, str], list[datetime]]) -> tuple[int, int, int]:
    of_day = [sorted(found) for (of, _), found in times.items() if of == day]
    pauses = sum(after - before > timedelta(minutes=30) for found in of_day for before, after in pairwise(found))
    return sum(map(len, of_day)), len(of_day), len(of_day) + pauses


def test_the_real_log_is_counted_as_by_hand(site: Site) -> None:
    answer = import_events(site, REAL_LOG)
    assert answer["lines"] == sum(answer["outcomes"].values()) == 10_000
    assert [sample["line"] for sample in answer["malformed"]] == [8899]
    assert {day: tuple(counts) for day, *counts in rows(BY_DAY)} == recount()


def test_the_real_log_twice_adds_nothing(site: Site) -> None:
    first = import_events(site, REAL_LOG)["outcomes"]
    before = rows(SESSIONS)
    second = import_events(site, REAL_LOG)["outcomes"]
    assert second == {**first, "recorded": 0, "repeated": first["recorded"] + first["repeated"]}
    assert rows(SESSIONS) == before


def test_an_import_that_is_interrupted_says_how_to_go_on(
    site: Site, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(quarantine, "write", stop)
    with pytest.raises(CommandError, match=r"Stopped after 5 lines. Run the same command again") as stopped:
        import_events(site, log)
    assert stopped.value.returncode == 130


def test_a_database_that_refuses_is_told(committed: Site, log: Path) -> None:
    with no_postgres(), pytest.raises(CommandError, match=r"Run the same command again.* PostgreSQL says: "):
        import_events(committed, log)


def test_a_busy_table_is_waited_for(committed: Site, tmp_path: Path, another: psycopg.Connection) -> None:
    path = tmp_path / "leap.log"
    path.write_text(line().replace("17/May/2015", "29/Feb/2016"))
    another.execute("BEGIN")
    another.execute("LOCK TABLE ingest_event IN SHARE UPDATE EXCLUSIVE MODE")
    threading.Timer(2.5, another.execute, ["COMMIT"]).start()
    assert some(import_events(committed, path)) == {"recorded": 1}


@pytest.fixture
def long_log(tmp_path: Path) -> Path:
    """14,000 page views of 2,000 senders, some blocks' worth."""
    path = tmp_path / "long.log"
    path.write_text("".join(line(n % 90, f"/{n}", f"198.18.{n % 2000 // 250}.{n % 250}") for n in range(14_000)))
    return path


def test_an_import_that_was_killed_is_finished_by_another(committed: Site, long_log: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "import_events", str(long_log), "--format=access-log", "--site", committed.key],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url()},
    )
    wait_for_rows(process)
    process.kill()
    process.wait()
    assert 0 < stored() < 14_000
    answer = import_events(committed, long_log)
    assert some(answer)["recorded"] + some(answer)["repeated"] == 14_000
    found = Counter(page_views for (page_views,) in rows("SELECT page_views FROM ingest_session"))
    assert stored() == sum(views * sessions for views, sessions in found.items()) == 14_000


def stored() -> int:
    count: int = rows("SELECT count(*) FROM ingest_event")[0][0]
    return count


def wait_for_rows(process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + 30
    while stored() == 0:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.005)
