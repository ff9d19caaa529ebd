"""What may have changed, and when it is looked at."""

from __future__ import annotations

from llm_proxy.live.state.reading import EVERYTHING, Part
from llm_proxy.live.watching.hints import Hints, first_cause

CONFIG: frozenset[Part] = frozenset({"config"})
PROMPTS: frozenset[Part] = frozenset({"prompts"})
INOTIFY = frozenset({"inotify"})


def test_nothing_said() -> None:
    """Nothing to do."""
    assert Hints().due_at() is None


def test_the_first_hint_is_due_at_once() -> None:
    """And what was taken is no longer due."""
    hints = Hints()
    hints.add("inotify", CONFIG)

    assert hints.due_at() == 0
    assert hints.take(100) == (CONFIG, INOTIFY)
    assert hints.due_at() is None


def test_looks_cost_a_bounded_share() -> None:
    """The longer a look takes that finds nothing, the longer until the next; one that finds something is followed up."""
    for cost, fruitless, pause in (
        *((0, True, 0.02), (0.005, True, 0.02), (0.1, True, 0.4)),
        *((0, False, 0.01), (0.005, False, 0.01), (0.1, False, 0.1)),
    ):
        hints = Hints()
        hints.looked(CONFIG, 100, cost, fruitless=fruitless)
        hints.add("inotify", CONFIG)

        assert hints.due_at() == 100 + pause


def test_each_part_has_its_pace() -> None:
    """A costly look at the prompts puts off no look at the configuration; what is put off is not lost."""
    hints = Hints()
    hints.looked(PROMPTS, 100, 1, fruitless=True)
    hints.add("inotify", EVERYTHING)

    assert hints.due_at() == 0
    assert hints.take(100) == (CONFIG, INOTIFY)
    assert hints.due_at() == 104
    assert hints.take(104) == (PROMPTS, INOTIFY)
    assert hints.due_at() is None


def test_a_sweep_and_who_asks_are_not_put_off() -> None:
    """Only inotify can be flooded."""
    for cause in ("sweep", "start", "signal"):
        hints = Hints()
        hints.looked(EVERYTHING, 100, 1, fruitless=True)
        hints.add("inotify", CONFIG)
        hints.add(cause, EVERYTHING)

        assert hints.due_at() == 0
        assert hints.take(100) == (EVERYTHING, INOTIFY | {cause})


def test_urgent() -> None:
    """Somebody waits, until the verdict."""
    hints = Hints()
    for cause in ("inotify", "sweep", "start"):
        hints.add(cause, CONFIG)
    before = hints.urgent
    hints.add("signal", CONFIG)
    hints.drop()

    assert (before, hints.urgent) == (False, True)
    assert hints.due_at() is None


def test_the_cause_that_is_told() -> None:
    """Who asked, else the surest witness."""
    assert first_cause(frozenset({"start", "sweep", "inotify"})) == "inotify"
    assert first_cause(frozenset({"sweep", "start"})) == "sweep"
    assert first_cause(frozenset({"inotify", "signal"})) == "signal"
