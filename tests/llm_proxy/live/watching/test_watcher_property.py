"""Whatever people do to the files, in whatever order and at whatever pace: what serves was complete and valid once,
never goes back, and is in the end the last."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from llm_proxy.live.watching import watcher
from llm_proxy.live.watching.watcher import Mode
from tests.support.logs import expect_log
from tests.support.world import QUICK, World, document, put, replace, vim

#: A short form of what ``tests/torture`` does at length.
EDITS = 40

Steps = Generator[None, None, None]


class Editor:
    """Somebody who edits; every version has a higher number than the one before."""

    def __init__(self, world: World, dice: random.Random) -> None:
        self.world = world
        self.dice = dice
        self.version = 1
        self.valid = {1}
        self.texts = {"one"}
        self.last_text = "one"

    def steps(self) -> Steps:
        """One random edit; a ``yield`` is a pause."""
        edits = (
            self.good,
            self.good,
            self.prompt,
            self.prompt,
            self.bad,
            self.torn,
            self.touch,
            self.gap,
            self.swap,
        )
        yield from self.dice.choice(edits)()

    def end(self) -> Steps:
        """The last word."""
        yield from self.good()
        yield from self.prompt()

    def _way(self) -> Callable[[Path, str], None]:
        return self.dice.choice((put, replace, vim))

    def good(self) -> Steps:
        self.version += 1
        self.valid.add(self.version)
        self._way()(self.world.config, document(self.version))
        yield

    def prompt(self) -> Steps:
        self.last_text = f"text {len(self.texts)}"
        self.texts.add(self.last_text)
        self._way()(self.world.prompt("en/a"), self.last_text)
        yield

    def bad(self) -> Steps:
        self.version += 1
        text = document(self.version, nonsense=1)
        self._way()(self.world.config, self.dice.choice((text, "{}", text[:-2], "")))
        yield

    def torn(self) -> Steps:
        """A file that is written in pieces, with pauses."""
        self.version += 1
        self.valid.add(self.version)
        text = document(self.version)
        cut = sorted(self.dice.sample(range(len(text)), 2))
        with self.world.config.open("w") as file:
            for piece in (text[: cut[0]], text[cut[0] : cut[1]], text[cut[1] :]):
                file.write(piece)
                file.flush()
                yield

    def touch(self) -> Steps:
        os.utime(self.world.config.parent)
        os.utime(self.world.prompt("en/a"))
        yield

    def gap(self) -> Steps:
        """Deleted, and made again after a pause."""
        self.world.config.unlink(missing_ok=True)
        yield
        yield from self.good()

    def swap(self) -> Steps:
        """Another directory in its place."""
        self.version += 1
        self.valid.add(self.version)
        fresh, old = self.world.folder / "fresh", self.world.folder / "old"
        shutil.rmtree(old, ignore_errors=True)
        put(fresh / self.world.config.name, document(self.version))
        os.rename(self.world.config.parent, old)
        os.rename(fresh, self.world.config.parent)
        yield


@pytest.mark.parametrize("mode", ["inotify", "poll"])
@pytest.mark.parametrize("seed", range(3))
async def test_any_edits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: Mode, seed: int) -> None:
    """Random valid, invalid and partial edits at a random pace."""
    monkeypatch.setattr(watcher, "ALONE", 0.03)
    monkeypatch.setattr(watcher, "SLOW", 1.0)  # a directory above that is renamed away is the sweep's to see
    dice = random.Random(seed)
    served: list[tuple[float, str | None]] = []
    with expect_log("llm_proxy.live.state.registry", "configuration rejected", required=False):
        async with World(tmp_path, mode, debounce=QUICK) as world:
            world.registry.on_swap.append(lambda snapshot: served.append((world.weight, world.text())))
            editor = Editor(world, dice)
            for number in range(EDITS):
                for _ in editor.steps() if number < EDITS - 1 else editor.end():
                    await asyncio.sleep(dice.choice((0, 0, 0.005, 0.02, 0.1)) * dice.random())
            await world.shows(editor.version, a=editor.last_text)
            await world.looked()

            assert (world.weight, world.text(), world.state) == (editor.version, editor.last_text, "applied")
            assert {weight for weight, _ in served} <= editor.valid
            assert {text for _, text in served} <= editor.texts
            assert [weight for weight, _ in served] == sorted(weight for weight, _ in served)
            assert world.generation == len(served) + 1
