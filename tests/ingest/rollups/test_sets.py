"""Sets of visitors: exact as bitmaps, close as sketches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from ingest.rollups import sets

NUMBERS = st.frozensets(st.integers(1, sets.MOST_NUMBER), max_size=300)


def dumped(numbers: frozenset[int] | range) -> bytes:
    return sets.dumped(np.array(sorted(numbers), np.int64))


def test_it_works() -> None:
    assert sets.loaded(dumped(range(1, 4))) == BitMap([1, 2, 3])


@given(NUMBERS)
def test_what_goes_in_comes_out(numbers: frozenset[int]) -> None:
    assert set(sets.loaded(dumped(numbers))) == numbers


@given(st.lists(NUMBERS, max_size=5))
def test_a_union_counts_each_visitor_once(days: list[frozenset[int]]) -> None:
    assert set(sets.union(map(dumped, days))) == set().union(*days)


@given(NUMBERS)
def test_the_same_visitors_are_the_same_bytes(numbers: frozenset[int]) -> None:
    assert sets.stored(sets.union([dumped(numbers)])) == dumped(numbers)


def test_visitors_in_a_row_take_little_room() -> None:
    assert len(dumped(range(1, 100_001))) < 100


def test_few_visitors_are_not_sketched() -> None:
    assert sets.sketched(dumped(range(1, sets.FEWEST))) is None
    assert sets.sketched(dumped(range(1, sets.FEWEST + 1))) is not None


def test_a_sketch_holds_no_numbers() -> None:
    """It is as large for a hundred thousand as for a few thousand."""
    small, large = (sets.sketched(dumped(range(1, count))) for count in (5_000, 100_000))
    assert small is not None
    assert large is not None
    assert len(large) <= len(small) + 200 < 5_000


@pytest.mark.parametrize("visitors", [1_000, 20_000, 300_000])
def test_an_estimate_is_within_four_errors(visitors: int) -> None:
    sketch = sets.sketched(dumped(range(1, visitors + 1)))
    assert sketch is not None
    assert sets.estimate([sketch]) == pytest.approx(visitors, rel=4 * sets.RELATIVE_ERROR)


def test_sketches_of_overlapping_days_unite() -> None:
    days = [sets.sketched(dumped(range(start, start + 10_000))) for start in (1, 5_001, 10_001)]
    assert sets.estimate(day for day in days if day) == pytest.approx(20_000, rel=4 * sets.RELATIVE_ERROR)


def test_nothing_is_estimated_of_nothing() -> None:
    assert sets.estimate([]) == 0
