"""Progress, as it is told from silence and from a trickle."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.net.pace import Pace


def looks(pace: Pace, *amounts: int) -> list[bool]:
    return [pace.stalled(amount) for amount in amounts]


def test_silence_is_found_after_the_span() -> None:
    """Four looks make a span; what came before its beginning does not count."""
    assert looks(Pace(8, 0), 0, 0, 0, 0) == [False, False, False, True]
    assert looks(Pace(8, 0), 1, 1, 1, 1, 1) == [False, False, False, False, True]
    assert looks(Pace(8, -9), -9, -9, -9, -8) == [False] * 4
    assert Pace(8, 0).interval == 2


def test_a_trickle_is_found_whatever_came_before() -> None:
    """A rate is that of the newest span: nobody saves up for later."""
    assert looks(Pace(4, 0, 400), 9_000, 9_001, 9_002, 9_003, 9_004)[-1]
    assert not any(looks(Pace(4, 0, 400), 100, 200, 300, 400, 500, 600))


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=60), st.integers(1, 4))
def test_what_goes_on_is_never_stalled(steps: list[int], least: int) -> None:
    """However slowly, if each quarter brings its share."""
    pace = Pace(1, 0, least)
    amount = 0
    for step in steps:
        amount += step
        assert not pace.stalled(amount)
