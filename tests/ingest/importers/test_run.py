from collections.abc import Iterable

import pytest

from ingest.event import Event
from ingest.importers import FORMATS, run
from ingest.importers.line import Into, Left, Outcome, id_of
from ingest.importers.lines import LONGEST, Line
from ingest.importers.run import Tally, pretend
from ingest.models import Quarantine
from ingest.sites import KnownSite
from ingest.writer import Written


def parse(text: str, into: Into) -> Event:
    """A format whose lines are names, of which some are left."""
    if text.startswith("-"):
        raise Left(Outcome(text[1:]), "because")
    return Event(id=id_of(text, into), name=text, ts=into.now, visitor_id=1)


def tally_of(texts: Iterable[str | None], into: Into, blocks: list[list[str]] | None = None) -> Tally:
    def write(events: list[Event]) -> Written:
        (blocks if blocks is not None else []).append([event.name for event in events])
        return Written(len(events), 0)

    tally = Tally()
    run.run([Line(number, text) for number, text in enumerate(texts, 1)], parse, into, write, tally)
    return tally


def test_it_works(into: Into) -> None:
    tally = tally_of(["a", "-bot", "b", "", "-malformed"], into)
    assert {outcome: count for outcome, count in tally.outcomes.items() if count} == {
        "recorded": 2, "bot": 1, "empty": 1, "malformed": 1,
    }  # fmt: skip
    assert (tally.lines, tally.malformed) == (5, [(5, "because")])


def test_events_are_written_in_blocks_in_the_order_of_the_file(into: Into, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "BATCH_EVENTS", 2)
    blocks: list[list[str]] = []
    tally_of(["a", "-bot", "b", "c", "d", "e"], into, blocks)
    assert blocks == [["a", "b"], ["c", "d"], ["e"]]


def test_nothing_to_write_writes_nothing(into: Into) -> None:
    blocks: list[list[str]] = []
    tally_of(["-bot"], into, blocks)
    assert blocks == []


def test_the_first_malformed_lines_are_told(into: Into) -> None:
    tally = tally_of(["-malformed"] * 9, into)
    assert tally.outcomes[Outcome.MALFORMED] == 9
    assert [sample.line for sample in tally.malformed] == [1, 2, 3, 4, 5]


def test_a_line_without_end_is_malformed(into: Into) -> None:
    tally = tally_of([None], into)
    assert tally.malformed == [(1, f"longer than {LONGEST:,} bytes")]


def test_the_tally_is_right_when_writing_fails(into: Into, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "BATCH_EVENTS", 1)
    answers = iter([Written(1, 0)])
    tally = Tally()
    with pytest.raises(StopIteration):
        run.run([Line(1, "a"), Line(2, "b")], parse, into, lambda _: next(answers), tally)
    assert tally.lines == 1


def test_a_dry_run_takes_all_for_new(into: Into) -> None:
    assert pretend([parse("a", into)] * 3) == (3, 0, 0)


def test_every_outcome_has_a_sentence() -> None:
    assert all(outcome.sentence for outcome in Outcome)


def test_an_id_is_a_uuid_of_our_own_making(into: Into) -> None:
    made = id_of("line", into)
    assert (made.version, made.variant) == (8, "specified in RFC 4122")


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_refuses_nonsense_in_words(name: str, into: Into) -> None:
    with pytest.raises(Left) as left:
        FORMATS[name]("nonsense", into)
    assert left.value.outcome is Outcome.MALFORMED
    assert left.value.reason


def test_an_event_that_the_database_refuses_costs_no_other(known: KnownSite, into: Into) -> None:
    into = into._replace(site=known)

    def parse_number(text: str, into: Into) -> Event:
        return Event(id=id_of(text, into), name="a", ts=into.now, visitor_id=1, scroll=int(text))

    tally, lines = Tally(), [Line(number, text) for number, text in enumerate(["1", "40000", "3", "1"], 1)]
    run.run(lines, parse_number, into, run.Store(into), tally)
    assert {outcome: count for outcome, count in tally.outcomes.items() if count} == {
        "recorded": 2, "refused": 1, "repeated": 1,
    }  # fmt: skip
    assert tally.lines == 4
    assert Quarantine.objects.get().sqlstate == "22003"


def test_addresses_are_scrubbed_as_at_the_door(into: Into) -> None:
    taken: list[Event] = []

    def page(text: str, into: Into) -> Event:
        query = "size=4&t=secret&utm_source=x"
        return Event(id=id_of(text, into), name="pageview", ts=0, visitor_id=1, path=text, query=query)

    def keep(events: list[Event]) -> Written:
        taken.extend(events)
        return Written(len(events), 0)

    keeping = into._replace(site=into.site._replace(kept_parameters=("size",)))
    run.run([Line(1, "/u/jo@mail.example")], page, keeping, keep, Tally())
    assert [(event.path, event.query) for event in taken] == [("/u/[email]", "size=4&utm_source=x")]
