"""What was answered 2xx is stored once, whatever is killed, restarted, paused or delivered twice.

Each kind of fault is run three times, at moments drawn from a seed. The seed is in the test's name: a run that
failed is run again by name. `bench/soak.py` does the same for hours.
"""

import pytest

from tests.crash import run
from tests.crash.faults import KINDS
from tests.crash.promises import broken
from tests.crash.target import Target
from tests.product import Product

pytestmark = [pytest.mark.whole, pytest.mark.xdist_group("whole")]
QUICK = run.Load(events=1_500, rate=1_200)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_lost_doubled_or_made_up(product: Product, kind: str, seed: int) -> None:
    over = run.once(Target(product), kind, seed, QUICK)
    assert over.account.answered == QUICK.events
    assert broken(over) == []
