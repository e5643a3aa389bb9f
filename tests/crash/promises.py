"""What must hold after any fault, each as a question to the tables: a list of sentences, empty when it is kept."""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from tests.crash.account import Account
from tests.crash.target import Target

UNMARKED = """
SELECT count(*) FROM (
    SELECT DISTINCT date_trunc('hour', ts, 'UTC') AS hour FROM ingest_event WHERE site_id = %(site)s
    UNION
    SELECT date_trunc('hour', started_at, 'UTC') FROM ingest_session WHERE site_id = %(site)s
) AS written
WHERE NOT EXISTS (SELECT FROM ingest_dirty_hour d WHERE d.site_id = %(site)s AND d.hour = written.hour)
"""
MISCOUNTED = """
SELECT count(*) FROM ingest_session s
JOIN (SELECT session_id, count(*) FILTER (WHERE name = 'pageview') AS views, count(DISTINCT visitor_id) AS visitors
      FROM ingest_event WHERE site_id = %(site)s GROUP BY session_id) AS e ON e.session_id = s.id
WHERE s.site_id = %(site)s AND (s.page_views <> e.views OR e.visitors <> 1)
"""
WITHOUT_SESSION = """
SELECT count(*) FROM ingest_event e WHERE e.site_id = %(site)s
AND NOT EXISTS (SELECT FROM ingest_session s WHERE s.site_id = e.site_id AND s.id = e.session_id)
"""


class Run(NamedTuple):
    """One run, over: its site and key, the word in its texts, what its senders heard. `is_replayed`: entries were
    put into the stream a second time, and counted again."""

    target: Target
    site: int
    key: str
    word: str
    account: Account
    is_replayed: bool = False
    drain_seconds: float = 0.0  # from the moment that all is answered

    def one(self, query: str) -> int:
        with self.target.postgres() as conn:
            found = conn.execute(query, {"site": self.site}).fetchone()
        return int(found[0]) if found else 0


def broken(run: Run) -> list[str]:
    """All promises that were not kept; [] is what is wanted."""
    return [*_events(run), *_counts(run), *_figures(run), *_logs(run)]


def _events(run: Run) -> Iterator[str]:
    """Accepted means stored; once; nothing else is."""
    found = run.target.rows(
        "SELECT site_id, id::text FROM ingest_event WHERE id = ANY(%s::uuid[])", list(run.account.sent)
    )
    stored = [id_ for _, id_ in found]
    if lost := run.account.accepted - set(stored):
        yield f"{len(lost)} accepted events are not stored, such as {min(lost)}."
    if len(stored) > len(set(stored)):
        yield f"{len(stored) - len(set(stored))} events are stored twice."
    refused = (run.account.rejected | run.account.dropped) - run.account.accepted
    if invented := refused & set(stored):
        yield f"{len(invented)} refused events are stored, such as {min(invented)}."
    if any(site != run.site for site, _ in found):
        yield "Events are stored under another site."
    of_site = run.one("SELECT count(*) FROM ingest_event WHERE site_id = %(site)s")
    if of_site != len(stored):
        yield f"The site has {of_site} events, of which {len(stored)} were sent."


def counted(run: Run) -> Counter[str]:
    query = "SELECT outcome, sum(events)::int FROM ingest_count WHERE site_id = %s GROUP BY 1"
    return Counter(dict(run.target.rows(query, run.site)))


def _counts(run: Run) -> Iterator[str]:
    """What was counted as stored is what is stored. Of each outcome at least what the senders were told, and at
    most that and what they were told nothing of; of refused ones once more the batches of which all was refused."""
    counts, told, unclear = counted(run), run.account.told, run.account.unclear
    rows = run.one("SELECT count(*) FROM ingest_event WHERE site_id = %(site)s")
    if counts["stored"] != rows:
        yield f"{counts['stored']} events are counted as stored, and {rows} are."
    if counts["quarantined"]:
        yield f"{counts['quarantined']} events were set aside."
    kept = counts["stored"] + counts["duplicate"]
    yield from _beyond("stored or duplicate", kept, told["accepted"], unclear, run)
    for outcome in ("rejected", "dropped"):
        yield from _beyond(outcome, counts[outcome], told[outcome], unclear + run.account.alone, run)


def _beyond(outcome: str, events: int, told: int, besides: int, run: Run) -> Iterator[str]:
    if events < told:
        yield f"{events} events are counted as {outcome}, and {told} were told so."
    if events > told + besides and not run.is_replayed:
        yield f"{events} events are counted as {outcome}: {told} were told so, {besides} may have come besides."


def _figures(run: Run) -> Iterator[str]:
    """Sessions agree with their events, and every hour that has figures is marked to be summed up."""
    if hours := run.one(UNMARKED):
        yield f"{hours} hours have events or sessions and no mark."
    if sessions := run.one(MISCOUNTED):
        yield f"{sessions} sessions do not agree with their events."
    if events := run.one(WITHOUT_SESSION):
        yield f"{events} events have no session."


def _logs(run: Run) -> Iterator[str]:
    """No address, no key, nothing that an event said."""
    for name, content in run.target.logs():
        for what, text in (("an address", "203.0.113."), ("the site's key", run.key), ("an event's text", run.word)):
            if text.encode() in content:
                yield f"{name} holds {what}."
