"""Python's search for garbage in circles, tamed for processes through which millions of small objects pass.

It walks through all that lives each time some hundred objects are new, again and again through the same thousands of
events while a block is written: a third of the writer's time. Nothing of an event lies in a circle, so reference counts
free it; what may (an exception and its frames) is still found, only later.
"""

import gc

THRESHOLDS = 100_000, 50, 100


def search_seldom() -> None:
    """For the whole process, once it is set up: what is loaded by now is looked through no more."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
