"""The rivals of `make bench` on their own servers, where those and their libraries are installed."""

import pytest

from bench.dispatch.world import build
from bench.rivals.figures import Rival, Task, measure
from bench.rivals.run import RIVALS, found

POSTS = 150
CHORD, DELTAS, RECOUNT = RIVALS


def rival(name: str) -> Rival:
    rivals, missing = found()
    if name in missing:
        pytest.skip(missing[name])
    return next(each for each in rivals if each.name == name)


def order(*, truth: int) -> Task:
    """Return an order to 150 posts that is checked against a city of so many."""
    return Task(build(truth), POSTS, "directive-1", seed=1, within_s=60)


@pytest.mark.parametrize("name", [CHORD, DELTAS])
def test_an_order_there_and_back_is_exact_at_every_unit(name: str) -> None:
    run = measure(rival(name), order(truth=POSTS))

    assert run.wrong == []
    assert run.figures is not None
    assert run.figures.answers_per_s > 0


def test_one_post_that_never_answers_makes_a_run_void() -> None:
    run = measure(rival(RECOUNT), order(truth=POSTS + 1))

    assert run.figures is None
    # The community, its street, its county and the city; all the others are exact.
    assert len(run.wrong) == 4
