"""When a change may be judged."""

from __future__ import annotations

from pathlib import Path

from llm_proxy.live.state.reading import Reading, read
from llm_proxy.live.watching.debounce import Change, DebounceTimes, doubts, due
from tests.support.world import World, document, put

DEBOUNCE = DebounceTimes(quiet=1, unseen=5, storm=10, patience=20, doubt=50)


def at(*, last: float, cause: str = "inotify", doubtful: bool = False, urgent: bool = False) -> float:
    """When a change is judged that began at 100."""
    return due(Change(100, last, cause, 0), DEBOUNCE, doubtful=doubtful, urgent=urgent)


def test_a_quiet_moment_after_the_last_change() -> None:
    """Each further change waits anew."""
    assert (at(last=100), at(last=103)) == (101, 104)


def test_a_storm_is_not_waited_out() -> None:
    """What changes all the time is judged nevertheless."""
    assert at(last=109.5) == 110


def test_doubt_waits_longer() -> None:
    """Half a file has time to be completed, counted from the last change."""
    assert (at(last=100, doubtful=True), at(last=109, doubtful=True)) == (120, 129)


def test_doubt_is_no_reason_to_wait_for_ever() -> None:
    """What looks unfinished and changes all the time is judged at last."""
    assert [at(last=last, doubtful=True) for last in (129, 131, 149, 500)] == [149, 150, 150, 150]


def test_who_asks_waits_for_nothing_but_doubt() -> None:
    """A signal says that the edit is complete."""
    assert (at(last=103, urgent=True), at(last=103, urgent=True, doubtful=True)) == (103, 123)


def test_without_events_two_sweeps_must_agree() -> None:
    """Where only sweeps look, nobody tells when an edit ends."""
    assert at(last=100, cause="sweep") == 105


def test_doubts(tmp_path: Path) -> None:
    """What may be the middle of an edit, and what is not."""
    world = World(tmp_path)
    put(tmp_path / "key", "k")
    put(world.config, document(1, api_token=f"${{file:{tmp_path}/key}}"))
    judged = world.open().current.reading
    world.registry.close()

    def found() -> list[str]:
        return list(doubts(look(), judged))

    def look() -> Reading:
        return read(world.sources, judged, judged.prompts)

    assert found() == []
    put(world.config, document(2))
    put(world.prompt("en/b"), "new")
    assert found() == []
    put(world.config, '{"complete": "and wrong"}')
    assert found() == []
    put(world.config, document(2)[:20])
    assert found() == ["the configuration is not complete"]
    world.config.unlink()
    assert found() == ["the configuration cannot be read"]
    put(world.config, document(2))
    (tmp_path / "key").unlink()
    assert found() == ["a secret file cannot be read"]
    put(tmp_path / "key", "other")
    put(world.prompt("en/b"), "")
    assert found() == ["prompt files cannot be used"]
    world.prompt("en/b").unlink()
    world.prompt("en/a").rename(world.prompt("en/c"))
    assert found() == ["prompts are gone"]


def test_doubts_end_with_the_verdict(tmp_path: Path) -> None:
    """What was judged once is no reason to wait again."""
    world = World(tmp_path)
    world.open().close()
    put(world.prompt("en/b"), "")
    judged = read(world.sources, None, None)
    put(world.config, document(2))

    assert list(doubts(read(world.sources, judged, judged.prompts), judged)) == []
