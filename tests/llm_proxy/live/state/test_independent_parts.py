"""A prompt directory that hangs, or is huge, holds up nothing but itself."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_proxy.live.prompts import files as prompt_files
from llm_proxy.live.state.registry import Registry
from llm_proxy.live.state.snapshot import load_snapshot
from llm_proxy.live.watching import late_prompts, reload_steps, roots, watcher
from llm_proxy.live.watching.watcher import Mode
from tests.support.loops import wait_until
from tests.support.prompt_tree import problems, write
from tests.support.world import QUICK, World, document, put, replace

SECRET = "sk-planted-as-a-prompt"


class Hang:
    """A file system below one directory that answers no more until ``ends``: whoever lists it, or opens what is in it, is
    held, as FUSE and NFS hold them."""

    def __init__(self, tree: Path, patch: pytest.MonkeyPatch) -> None:
        self._tree = os.fsencode(tree)
        self._answers = threading.Event()
        self._answers.set()
        self.held = 0
        for module in (prompt_files, roots):
            patch.setattr(module, "os", _Held(self))

    def begins(self) -> None:
        self._answers.clear()

    def ends(self) -> None:
        self._answers.set()

    def hold(self, path: Any) -> None:
        if isinstance(path, str | bytes | os.PathLike) and os.fsencode(path).startswith(self._tree):
            self.held += not self._answers.is_set()
            assert self._answers.wait(20)


class _Held:
    """``os``, with the calls that a file system answers held."""

    def __init__(self, hang: Hang) -> None:
        self._hang = hang

    def __getattr__(self, name: str) -> Any:
        found = getattr(os, name)
        if name not in ("scandir", "open", "stat", "readlink"):
            return found

        def held(path: Any, *more: Any, **named: Any) -> Any:
            self._hang.hold(path)
            return found(path, *more, **named)

        return held


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, debounce=QUICK)


@pytest.fixture
def hang(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hang]:
    made = Hang(world.prompts, monkeypatch)
    yield made
    made.ends()


@pytest.mark.parametrize("mode", ["inotify", "poll"])
async def test_edits_go_on_while_the_prompts_hang(
    world: World, hang: Hang, mode: Mode, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Many edits of the configuration and of a secret are applied, one after the other; the prompts stay, and are
    reported once; when the directory answers again, what was edited there is taken up."""
    monkeypatch.setattr(late_prompts, "HANGS", 0.1)
    monkeypatch.setattr(watcher, "_HANGS", 0.1)
    key = world.folder / "key"
    put(key, "one")
    world.mode = mode
    async with world:
        hang.begins()
        put(world.prompt("en/a"), "two")
        await world.sees(lambda: world.registry.prompts.problem)
        for weight in range(2, 6):
            replace(world.config, document(weight, api_token=f"${{file:{key}}}"))
            await world.shows(weight)
        put(key, "two")
        await world.sees(lambda: token(world.registry) == "two")
        shown = world.watcher.report()["problems"]
        text = world.text()
        hang.ends()
        await world.shows(a="two")
        await world.sees(lambda: not world.watcher.report()["problems"])

    assert text == "one"
    assert any("prompt directory takes very long" in problem for problem in shown)
    told = [record for record in caplog.records if "prompt directory takes very long" in record.message]
    assert [record.levelno for record in told] == [logging.WARNING]
    assert "the prompt directory can be read again" in caplog.messages
    assert world.generation == 7


def token(registry: Registry) -> str:
    found = registry.current.models["m"][0].token
    return found.reveal() if found else ""


async def test_no_edit_waits_for_a_hang_that_is_known(world: World, hang: Hang) -> None:
    """Looks and verdicts do not wait even the moment that they would give prompts that have changed."""
    world.open()
    hang.begins()
    await world.registry.touch("sweep")
    await wait_until(lambda: world.registry.prompts.reader.running_for() > reload_steps._PATIENCE)
    held = hang.held
    waits: list[float] = []
    reader = world.registry.prompts.reader
    reader._changed.wait = waits.append  # type: ignore[method-assign, assignment]
    replace(world.config, document(2))
    await world.registry.touch("inotify")
    world.registry.close()

    assert world.weight == 2
    assert (waits, hang.held) == ([], held)


@pytest.mark.parametrize("cause", ["sweep", "inotify"])
async def test_a_hang_that_begins_holds_up_no_edit(
    world: World, hang: Hang, cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The very edit that is noticed together with it waits no longer than the quiet moment takes; nor does a verdict."""
    monkeypatch.setattr(reload_steps, "_LEAST", 0.04)
    world.open()
    waits: list[float] = []
    reader = world.registry.prompts.reader
    wait = reader._changed.wait

    def noted(timeout: float | None = None) -> bool:
        waits.append(timeout or 100)
        return wait(timeout)

    monkeypatch.setattr(reader._changed, "wait", noted)
    hang.begins()
    put(world.prompt("en/a"), "two")
    replace(world.config, document(2))
    await world.registry.touch(cause)
    applied = world.weight
    hang.ends()
    await wait_until(lambda: world.text() == "two", 20)
    world.registry.close()

    assert applied == 2
    assert max(waits[:1]) <= 0.04


async def test_an_edit_of_both_is_one_snapshot(world: World) -> None:
    """As long as both can be read in time: whatever is told first, and told again while it is looked at."""
    world.open()
    for number in range(2, 8):
        replace(world.config, document(number))
        replace(world.prompt("en/a"), f"text {number}")
        task = world.registry.touch("inotify", frozenset({"prompts"}))
        world.registry.touch("inotify", frozenset({"config"}))
        await task
        assert (world.weight, world.text(), world.generation) == (number, f"text {number}", number)
    world.registry.close()


async def test_an_edit_of_both_that_only_a_sweep_sees(world: World) -> None:
    """Nobody tells that the prompts have changed as well, and a sweep goes over a large directory less often: they are looked
    at all the same before the verdict falls."""
    world.open()
    world.registry.prompts.reader.seconds = 2 * reload_steps._BESIDE
    replace(world.config, document(2))
    replace(world.prompt("en/a"), "two")
    await world.registry.touch("sweep", frozenset({"config"}))
    world.registry.close()

    assert (world.weight, world.text(), world.generation) == (2, "two", 2)


async def test_a_sweep_is_in_no_hurry(world: World, hang: Hang) -> None:
    """Prompts that are waited for are let go when something else has changed, but not because a sweep comes round."""
    world.open()
    reader = world.registry.prompts.reader
    hang.begins()
    looking = world.registry.touch("inotify")
    await wait_until(lambda: hang.held)
    world.registry.touch("sweep", frozenset({"config"}))
    after_sweep = reader._hurried
    world.registry.touch("inotify", frozenset({"config"}))
    after_change = reader._hurried
    hang.ends()
    await looking
    world.registry.close()

    assert (after_sweep, after_change) == (False, True)


async def test_prompts_that_take_long(world: World, hang: Hang) -> None:
    """They are applied when they are read, with the versions of what they replace."""
    world.open()
    hang.begins()
    put(world.prompt("en/a"), "two")
    await world.registry.touch("inotify")
    replace(world.config, document(2))
    await world.registry.touch("inotify", frozenset({"config"}))
    before: tuple[object, ...] = (world.weight, world.text(), world.generation)
    hang.ends()
    await wait_until(lambda: world.text() == "two")
    versions = world.registry.current.prompts.versions["a", "en"]
    world.registry.close()

    assert before == (2, "one", 2)
    assert world.generation == 3
    assert [version.text for version in versions] == ["two", "one"]


def test_a_start_without_an_answer(world: World, hang: Hang, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence, after a while."""
    monkeypatch.setattr("llm_proxy.live.state.reading._PATIENCE", 0.05)
    hang.begins()

    with pytest.raises(OSError, match=r"prompt directory .*: does not answer within 0.05 seconds"):
        load_snapshot(world.sources)


async def test_a_huge_link_is_not_looked_into(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link to the whole machine costs one entry, for the prompts and for the watches."""
    (world.prompts / "root").symlink_to("/")
    listed: list[str] = []
    scandir = os.scandir

    def counted(path: Any) -> Any:
        listed.append(os.fsdecode(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", counted)
    async with world:
        replace(world.config, document(2))
        await world.shows(2)
        found = world.registry.current.prompts

    assert list(problems(found)) == ["root"]
    # Threads of other tests may still end.
    ours, linked = str(world.folder.parent), str(world.prompts / "root")
    assert not [path for path in listed if path.startswith(linked) or not path.startswith(ours)]


@pytest.mark.parametrize(
    "how", ["the configuration", "a secret", "a secret that comes later", "a guarded file"]
)
async def test_what_the_configuration_names_is_no_prompt(world: World, how: str) -> None:
    """At the start and after an edit, in the same snapshot that begins to name it."""
    key = write(world.prompts, {"en/key.prompt": SECRET}) / "en/key.prompt"
    named = document(2, api_token=f"${{file:{key}}}")
    if how == "the configuration":
        world.config.write_text(document(1, api_token=SECRET))
        key.unlink()
        os.link(world.config, key)
    elif how == "a secret":
        world.config.write_text(named)
    sources = world.sources
    if how == "a guarded file":
        from dataclasses import replace as changed

        sources = changed(sources, guarded=(key,))
    registry = Registry(sources, load_snapshot(sources))
    if how == "a secret that comes later":
        replace(world.config, named)
        await registry.reload("signal")
    registry.close()
    prompts = registry.current.prompts

    assert set(prompts.prompts) == {("a", "en")}
    assert not any(SECRET in version.text for held in prompts.versions.values() for version in held)
    assert problems(prompts) == {
        "en/key.prompt": "is a file that the configuration names, and so is never a prompt"
    }
