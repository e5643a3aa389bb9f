from concurrent.futures import ThreadPoolExecutor

from ingest.seldom import Seldom


def test_the_first_is_let_through_and_the_next_after_its_time() -> None:
    patient = Seldom(3600)
    assert [patient.is_time() for _ in range(3)] == [True, False, False]
    patient.forget()
    assert patient.is_time()


def test_without_a_pause_all_are_let_through() -> None:
    assert all(Seldom(0).is_time() for _ in range(3))


def test_of_many_threads_one_is_let_through() -> None:
    patient = Seldom(3600)
    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(lambda _: patient.is_time(), range(200))) == 1
