"""Sets of visitor numbers: Roaring bitmaps while sessions are kept, HyperLogLog sketches afterwards.

A bitmap is exact and stored in Roaring's portable format (https://github.com/RoaringBitmap/RoaringFormatSpec). A
sketch is Apache DataSketches' HLL of 4,096 registers; nothing smaller than `FEWEST` is sketched, since a sketch of few
tells them apart nearly as well as their numbers do.
"""

from array import array
from collections.abc import Iterable

import numpy as np
from datasketches import hll_sketch, hll_union
from numpy.typing import NDArray
from pyroaring import BitMap

MOST_NUMBER = (1 << 32) - 1
REGISTERS_LOG2 = 12
RELATIVE_ERROR = 1.04 / (1 << REGISTERS_LOG2 // 2)  # one standard deviation: 1.6 %
FEWEST = 256


def dumped(numbers: NDArray[np.int64]) -> bytes:
    """Of different numbers up to MOST_NUMBER."""
    return stored(BitMap(array("I", numbers.astype(np.uint32).tobytes())))


def stored(numbers: BitMap) -> bytes:
    numbers.run_optimize()  # new visitors have numbers in a row
    return bytes(numbers.serialize())


def loaded(members: bytes) -> BitMap:
    return BitMap.deserialize(members)


def union(sets: Iterable[bytes]) -> BitMap:
    """The visitors of all of them, each once."""
    return BitMap.union(BitMap(), *(loaded(one) for one in sets))


def sketched(members: bytes) -> bytes | None:
    """None for a set that is too small to be sketched."""
    numbers = loaded(members)
    if len(numbers) < FEWEST:
        return None
    sketch = hll_sketch(REGISTERS_LOG2)
    for number in numbers:
        sketch.update(number)
    return bytes(sketch.serialize_compact())


def estimate(sketches: Iterable[bytes]) -> float:
    """How many visitors they hold together, with `RELATIVE_ERROR`."""
    whole = hll_union(REGISTERS_LOG2)
    for sketch in sketches:
        whole.update(hll_sketch.deserialize(sketch))
    return float(whole.get_estimate())
