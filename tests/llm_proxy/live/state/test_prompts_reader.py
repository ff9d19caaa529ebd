"""Prompts are read beside everything else: waited for a moment, and told later."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from llm_proxy.live.prompts.library import PromptSet
from llm_proxy.live.state import prompts_reader
from llm_proxy.live.state.prompts_reader import Loaded, PromptsReader


class Disk:
    """A directory that answers when the test lets it. ``version`` is what lies there."""

    def __init__(self) -> None:
        self.version = "1"
        self.answers = threading.Event()
        self.told = threading.Event()
        self.looks = 0

    def load(self, served: PromptSet | None) -> Loaded:
        self.looks += 1
        version = self.version
        assert self.answers.wait(10)
        return PromptSet(), version


@pytest.fixture
def disk() -> Iterator[Disk]:
    made = Disk()
    yield made
    made.answers.set()


def read(reader: PromptsReader, disk: Disk, patience: float, *, fresh: bool = True) -> str | None:
    found = reader.read(disk.load, None, patience, fresh=fresh)
    return found[1] if found else None


def test_one_that_answers(disk: Disk) -> None:
    """One look, its result, and nobody is told anything later."""
    disk.answers.set()
    reader = PromptsReader(disk.told.set)

    assert read(reader, disk, 10) == "1"
    assert (disk.looks, reader.pending, disk.told.is_set()) == (1, False, False)
    assert reader.running_for() == 0.0


def test_one_that_is_late(disk: Disk) -> None:
    """Nobody waits longer than the patience; then it is told, and there, after two looks that were equal."""
    reader = PromptsReader(disk.told.set)

    assert read(reader, disk, 0.01) is None
    assert read(reader, disk, 0.01) is None
    assert disk.looks == 1
    disk.answers.set()
    assert disk.told.wait(10)
    assert disk.looks == 2
    assert read(reader, disk, 10, fresh=False) == "1"


def test_what_changes_meanwhile_is_not_lost(disk: Disk) -> None:
    """Who asks while a look runs is told of one that began after that."""
    reader = PromptsReader(disk.told.set)
    assert read(reader, disk, 0.01) is None
    disk.version = "2"
    assert read(reader, disk, 0.01) is None
    disk.answers.set()
    assert disk.told.wait(10)
    disk.told.clear()

    assert read(reader, disk, 10, fresh=False) in ("1", "2")
    assert disk.told.wait(10)
    assert read(reader, disk, 10, fresh=False) == "2"


def test_an_ask_between_the_end_and_the_taking(disk: Disk) -> None:
    """What came late may be older than the ask: there is another look."""
    reader = PromptsReader(disk.told.set)
    assert read(reader, disk, 0.01) is None
    disk.answers.set()
    assert disk.told.wait(10)
    disk.told.clear()
    disk.version = "2"

    assert read(reader, disk, 10) == "1"
    assert disk.told.wait(10)
    assert read(reader, disk, 10, fresh=False) == "2"


def test_what_was_late_is_waited_for(disk: Disk) -> None:
    """Who comes for it while another look runs takes the result of that one: nothing follows, and nobody is told."""
    reader = PromptsReader(disk.told.set)
    assert read(reader, disk, 0.01) is None
    found: list[str | None] = []
    waiting = threading.Thread(target=lambda: found.append(read(reader, disk, 3600, fresh=False)))
    waiting.start()
    while reader._alone:
        pass
    disk.answers.set()
    waiting.join(10)

    assert found == ["1"]
    assert (disk.looks, reader.pending, disk.told.is_set()) == (1, False, False)


def test_somebody_in_a_hurry(disk: Disk) -> None:
    """Who waits goes on without the prompts."""
    reader = PromptsReader(disk.told.set)
    found: list[str | None] = []
    waiting = threading.Thread(target=lambda: found.append(read(reader, disk, 3600)))
    waiting.start()
    while not disk.looks:
        pass
    reader.hurry()
    waiting.join(10)

    assert found == [None]


def test_what_a_look_raises(disk: Disk) -> None:
    """Whoever asks gets it, and the next look begins anew."""
    reader = PromptsReader()

    def broken(served: PromptSet | None) -> Loaded:
        raise FileNotFoundError("gone")

    with pytest.raises(FileNotFoundError):
        reader.read(broken, None, 10)
    disk.answers.set()
    assert read(reader, disk, 10) == "1"


def test_one_that_never_answers(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a long time another look is tried, a few times; what the first finds in the end does not count."""
    monkeypatch.setattr(prompts_reader, "_GIVE_UP", 0.0)
    reader = PromptsReader(disk.told.set)
    for _ in range(10):
        assert read(reader, disk, 0.0) is None
    assert reader._hung == prompts_reader._MAX_HUNG
    disk.answers.set()
    assert disk.told.wait(10)

    assert read(reader, disk, 10, fresh=False) == "1"
