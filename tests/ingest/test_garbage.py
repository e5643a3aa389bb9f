import gc
import subprocess
import sys

from ingest import garbage

CIRCLES = """
import gc, weakref
from ingest import garbage
class Node: pass
garbage.search_seldom()
first = Node(); first.me = first; gone = weakref.ref(first); del first
kept = [[] for _ in range(garbage.THRESHOLDS[0] + 1000)]
print(gc.get_freeze_count() > 0, gone() is None)
"""


def test_what_is_loaded_is_left_alone_and_circles_are_still_found() -> None:
    said = subprocess.run([sys.executable, "-c", CIRCLES], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["True", "True"]


def test_it_is_not_called_by_importing_it() -> None:
    assert gc.get_threshold() != garbage.THRESHOLDS
