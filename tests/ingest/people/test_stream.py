"""What waits in the stream is waited for: an erasure before it is written would miss it."""

import pytest
from celery.exceptions import Retry
from kombu.exceptions import OperationalError

from ingest import queue, tasks
from ingest.drain import Drain
from ingest.models import JobRun, PersonRequest, Site
from ingest.people import erasure, stream
from ingest.people.find import Who, by_user
from ingest.people.stream import Waits
from ingest.writer import write
from tests.conftest import Silence, rows
from tests.ingest.examples import batch, event
from tests.ingest.writers import one_round, publish, stored

pytestmark = pytest.mark.usefixtures("quick_turns")


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "WAIT_SECONDS", 0.05)
    monkeypatch.setattr(stream, "LOOK_SECONDS", 0.01)


def test_it_works(committed: Site) -> None:
    publish(committed, event())
    noted = stream.note()
    with pytest.raises(Waits, match="Is the writer running"):
        stream.wait(noted, 0.05)
    one_round(Drain())
    stream.wait(noted, 0.05)
    assert stored() == 1


def test_an_empty_stream_is_not_waited_for() -> None:
    assert stream.note() == {}
    stream.wait({}, 0)


def test_what_comes_later_is_not_waited_for(committed: Site) -> None:
    publish(committed, event())
    noted = stream.note()
    one_round(Drain())
    publish(committed, event())
    stream.wait(noted, 0)


def test_what_was_read_and_not_written_is_waited_for(committed: Site) -> None:
    publish(committed, event())
    queue.ensure_group(0)
    queue.fresh(0, 10, None)
    with pytest.raises(Waits) as waits:
        stream.wait(stream.note(), 0)
    assert waits.value.noted is not None


def test_without_redis_nothing_can_be_told(no_redis: Silence) -> None:
    with no_redis():
        with pytest.raises(Waits):
            stream.note()
        with pytest.raises(Waits):
            stream.wait({"footfall:{0}:events": "1-0"}, 0)


# --- The task ---------------------------------------------------------------------------------------------


def run(request: PersonRequest, who: Who) -> None:
    tasks.erase_person(request.pk, who.user_id, list(who.visitors))


def test_the_task_erases_and_leaves_a_run_without_the_person(committed: Site) -> None:
    write([batch(committed, event(user_id="marker"))])
    request = erasure.begin(committed.pk, "a test")
    run(request, by_user("marker"))
    request.refresh_from_db()
    assert (stored(), request.events, request.done_at is None) == (0, 1, False)
    told = JobRun.objects.get(task="erase_person")
    assert (told.detail, told.error) == ("Erased 1 visitors, 1 sessions, 1 events.", "")
    assert "marker" not in str(rows("SELECT * FROM ingest_jobrun"))


def test_while_events_wait_it_stays_open_and_erases_nothing(committed: Site) -> None:
    """Who they are is known by rows: these must be there when the rest comes."""
    write([batch(committed, event(user_id="jo"))])
    publish(committed, event())
    request = erasure.begin(committed.pk, "a test")
    with pytest.raises((Retry, Waits)):
        run(request, by_user("jo"))
    assert (stored(), PersonRequest.objects.get().done_at) == (1, None)
    one_round(Drain())
    run(request, by_user("jo"))
    assert (stored(), rows("SELECT count(*) FROM ingest_visitor")) == (0, [(0,)])


def test_a_request_that_is_done_erases_nothing_when_it_is_delivered_again(committed: Site) -> None:
    request = erasure.begin(committed.pk, "a test")
    run(request, by_user("jo"))
    write([batch(committed, event(user_id="jo"))])
    run(request, by_user("jo"))
    assert stored() == 1


def test_a_site_that_was_deleted_meanwhile_needs_none(committed: Site) -> None:
    request = erasure.begin(committed.pk, "a test")
    number = request.pk
    committed.delete()
    tasks.erase_person(number, "jo", [])
    assert not JobRun.objects.exists()


def test_what_failed_is_tried_again_and_told(committed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "ROUNDS", "not a number")
    request = erasure.begin(committed.pk, "a test")
    with pytest.raises((Retry, TypeError)):
        run(request, by_user("jo"))
    assert JobRun.objects.get().error.startswith("TypeError")
    assert PersonRequest.objects.get().done_at is None


def test_without_a_broker_nothing_has_begun(committed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*args: object, **options: object) -> None:
        raise OperationalError("no broker")

    monkeypatch.setattr(tasks.erase_person, "apply_async", away)
    with pytest.raises(OperationalError):
        tasks.begin_erasure(committed.pk, by_user("jo"), "a test")
    assert not PersonRequest.objects.exists()


def test_the_broker_is_given_the_person_and_logs_are_not(committed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[tuple[object, ...], dict[str, object]]] = []
    monkeypatch.setattr(tasks.erase_person, "apply_async", lambda args, **options: given.append((args, options)))
    request = tasks.begin_erasure(committed.pk, Who(visitors=(7, -8)), "a test")
    assert given == [((request.pk, None, [7, -8]), {"argsrepr": "(not shown)"})]
