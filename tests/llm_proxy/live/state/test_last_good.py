"""The copy of the last accepted state: what it holds, when it is written, and a start that needs it."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
import zipfile
from contextlib import nullcontext
from pathlib import Path

import pytest

from llm_proxy.live.config.loader import ConfigError
from llm_proxy.live.prompts.library import Prompt
from llm_proxy.live.state.initial_state import open_state
from llm_proxy.live.state.last_good import NAME, LastGood, NoCopyError, original
from llm_proxy.live.state.reading import Unkept
from llm_proxy.live.state.registry import Registry
from llm_proxy.live.state.snapshot import Snapshot, load_snapshot, problem_lines, without_files
from tests.support.logs import expect_log
from tests.support.loops import wait_until
from tests.support.secrets import OTHER_UPSTREAM_KEY, UPSTREAM_KEY, assert_no_secret
from tests.support.world import QUICK, World, document, put, replace


@pytest.fixture
def store(tmp_path: Path) -> LastGood:
    return LastGood(tmp_path / "kept" / "here")


def all_bytes(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_holds_the_state_and_no_secret(tmp_path: Path, store: LastGood) -> None:
    """Byte for byte what was accepted; what ``${...}`` stands for is not in it; readable by the owner alone."""
    world = World(tmp_path, env={"KEY": UPSTREAM_KEY})
    put(tmp_path / "secret", OTHER_UPSTREAM_KEY)
    put(
        world.config,
        document(3, api_token="${KEY}", headers={"X-Key": f"${{file:{tmp_path}/secret}}"}),
    )
    put(world.prompt("pl/deep/żółw"), b"\xef\xbb\xbfza\xc5\xbc\xc3\xb3\xc5\x82\xc4\x87 {{ x }}\r\n")
    snapshot = load_snapshot(world.sources)
    store.keep(snapshot)
    with zipfile.ZipFile(store.path) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    copy = store.load(world.sources)

    assert found == {
        "models-config.json": world.config.read_bytes(),
        "prompts/en/a.prompt": b"one",
        "prompts/pl/deep/żółw.prompt": world.prompt("pl/deep/żółw").read_bytes(),
    }
    assert_no_secret(store.path.read_bytes().decode("latin-1"))
    assert copy.hash == snapshot.hash
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700
    assert os.listdir(store.path.parent) == [NAME]


@pytest.mark.parametrize(
    "data", [b"x", b"x\n", b"x\r\n", b"\xef\xbb\xbfx", b"\xef\xbb\xbfx\n", b"x\n\n", b"\n x \r\n"]
)
def test_the_bytes_of_a_prompt(data: bytes) -> None:
    """They are found again, whatever the loaded text has lost of them."""
    assert original(Prompt.of("a", "en", data)) == data


async def test_it_is_written_at_start_and_after_each_accepted_edit(tmp_path: Path, store: LastGood) -> None:
    """Not after a rejected one; and the operator's files are never written."""
    async with World(tmp_path, last_good=store) as world:
        await world.sees(store.path.exists)
        first = store.path.stat().st_ino
        replace(world.config, document(2))
        await world.sees(lambda: store.load(world.sources).models["m"][0].weight == 2)
        second = store.path.stat().st_ino
        before = all_bytes(tmp_path / "conf") | all_bytes(tmp_path / "prompts")
        await world.looked()
        put(world.config, "{}")
        with expect_log("llm_proxy.live.state.registry", "rejected"):
            await world.sees(lambda: world.state == "rejected")
        put(world.config, document(2))
        await world.shows(2)
        await world.looked()

        assert store.load(world.sources).models["m"][0].weight == 2
        assert first != second == store.path.stat().st_ino
        assert all_bytes(tmp_path / "conf") | all_bytes(tmp_path / "prompts") == before


async def test_a_start_with_a_broken_file(tmp_path: Path, store: LastGood) -> None:
    """The copy serves, loudly; the file is watched, not touched; once it is mended it serves."""
    world = World(tmp_path, last_good=store)
    good = load_snapshot(world.sources)
    store.keep(good)
    put(world.config, '{"openai": {"m": {"weigth": 1}}}')
    put(world.prompt("en/a"), "two")
    broken = world.config.read_bytes()
    with expect_log("llm_proxy", "last good copy serves") as lines:
        opened = open_state(world.sources, store)
    assert opened.outcome is not None
    registry = Registry(world.sources, opened.snapshot, outcome=opened.outcome, last_good=store)
    registry.debounce = QUICK
    at_start = registry.outcome, registry.on_last_good, registry.current.prompts.prompts["a", "en"].text
    await registry.reload("test")  # the same verdict on the same file: not said again
    untouched = world.config.read_bytes()
    put(world.config, document(7))
    await registry.reload("test")
    registry.close()

    assert opened.snapshot.hash == good.hash
    assert (at_start[0].state, at_start[1:]) == ("rejected", (True, "one"))
    assert "did you mean" in at_start[0].problems[0]
    assert list(at_start[0].problems) == lines[0].problems  # type: ignore[attr-defined]
    assert untouched == broken
    assert (registry.outcome.state, registry.on_last_good) == ("applied", False)
    assert registry.current.models["m"][0].weight == 7
    assert registry.current.prompts.prompts["a", "en"].text == "two"


async def test_mended_to_exactly_the_copy(tmp_path: Path, store: LastGood) -> None:
    """Then nothing changes but the verdict."""
    world = World(tmp_path)
    store.keep(load_snapshot(world.sources))
    put(world.config, "{}")
    with expect_log("llm_proxy", "last good copy serves"):
        opened = open_state(world.sources, store)
    registry = Registry(world.sources, opened.snapshot, outcome=opened.outcome)
    registry.debounce = QUICK
    put(world.config, document(1))
    await registry.reload("test")
    registry.close()

    assert (registry.outcome.state, registry.on_last_good) == ("applied", False)
    assert registry.current.generation == opened.snapshot.generation


@pytest.mark.parametrize("what", ["config", "prompts"])
def test_a_start_without_files(tmp_path: Path, store: LastGood, what: str) -> None:
    """A missing configuration or prompt directory is as bad as a broken one."""
    world = World(tmp_path)
    store.keep(load_snapshot(world.sources))
    (world.config if what == "config" else world.prompts).rename(tmp_path / "away")
    with expect_log("llm_proxy", "last good copy serves"):
        opened = open_state(world.sources, store)

    assert opened.outcome is not None
    assert len(opened.outcome.problems) == 1
    assert bool(opened.outcome.file_hash) == (what == "prompts")


def test_no_copy(tmp_path: Path, store: LastGood) -> None:
    """Without one, or with a damaged one, the start fails with the problems of the file, and says why none helped."""
    world = World(tmp_path)
    put(world.config, "{}")
    with pytest.raises(ConfigError) as none:
        open_state(world.sources, store)
    store.path.parent.mkdir(parents=True)
    store.path.write_bytes(b"PK damaged")
    with pytest.raises(ConfigError) as damaged:
        open_state(world.sources, store)
    with pytest.raises(ConfigError) as off:
        open_state(world.sources)

    problem = problem_lines(off.value)
    assert problem_lines(none.value) == [*problem, "last good copy: there is no last good copy yet"]
    assert (
        problem_lines(damaged.value)[1] == "last good copy: the last good copy is damaged or cannot be read"
    )
    assert len(problem) == 1


def test_a_copy_that_is_bad_too(tmp_path: Path, store: LastGood) -> None:
    """A variable that is gone breaks file and copy: both are told."""
    world = World(tmp_path, env={"KEY": "k"})
    put(world.config, document(1, api_token="${KEY}"))
    store.keep(load_snapshot(world.sources))
    world.env.clear()
    with pytest.raises(ConfigError) as caught:
        open_state(world.sources, store)

    lines = problem_lines(caught.value)
    assert len(lines) == 2
    assert lines[1].startswith("last good copy: models-config.json: ")


def test_a_cut_copy(tmp_path: Path, store: LastGood) -> None:
    """Nothing of it is used."""
    world = World(tmp_path)
    store.keep(load_snapshot(world.sources))
    data = bytearray(store.path.read_bytes())
    data[data.index(b"openai")] ^= 1
    store.path.write_bytes(data)
    with pytest.raises(NoCopyError):
        store.load(world.sources)


async def test_a_full_disk(
    tmp_path: Path, store: LastGood, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It costs the copy and not the edit; it is said once, stands in the report, and is tried again."""
    with monkeypatch.context() as patch:

        def full(*arguments: object) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr(os, "fsync", full)
        async with World(tmp_path, last_good=store) as world:
            await world.sees(lambda: store.problem)
            replace(world.config, document(2))
            await world.shows(2)
            await world.looked()
            report = world.watcher.report()
            await world.sees(lambda: os.listdir(store.path.parent) == [])
            patch.undo()
            await world.looked()
            await world.sees(lambda: world.watcher.report()["problems"] == [])

            assert caplog.messages.count("the last good copy cannot be written") == 1
            assert report["problems"] == ["the last good copy cannot be written: No space left on device"]
            assert store.load(world.sources).hash == world.registry.current.hash


def test_the_same_state_is_not_written_again(tmp_path: Path, store: LastGood) -> None:
    """Nor by another process that finds it there."""
    snapshot = load_snapshot(World(tmp_path).sources)
    store.keep(snapshot)
    inode = store.path.stat().st_ino
    store.keep(snapshot)
    LastGood(store.path.parent).keep(snapshot)

    assert store.path.stat().st_ino == inode


async def test_a_large_file_of_keys(tmp_path: Path, store: LastGood) -> None:
    """It is let go once it serves, and is in the copy all the same; what is on the disk now is no copy of what serves."""
    world = World(tmp_path)
    path = tmp_path / "access.json"
    put(path, keys(7000))
    sources = dataclasses.replace(world.sources, access=path)
    full = load_snapshot(sources)
    served = without_files(full)
    store.keep(served, sources)
    copy = store.load(sources)
    put(path, keys(7001))
    other = LastGood(tmp_path / "other")
    other.keep(served, sources)

    assert isinstance(full.reading.access, bytes)
    assert served.reading.access == Unkept(len(full.reading.access))
    assert copy.access == full.access
    assert copy.hash == served.hash
    assert other.problem.endswith("the file of the keys has changed meanwhile")
    other.keep(full)
    assert other.load(sources).hash == served.hash


async def test_edits_of_a_large_file_of_keys(tmp_path: Path, store: LastGood) -> None:
    """Good ones and bad ones, and the way back: each is seen though what it is compared with was let go."""
    world = World(tmp_path)
    path = tmp_path / "access.json"
    put(path, keys(7000))
    sources = dataclasses.replace(world.sources, access=path)
    registry = Registry(sources, load_snapshot(sources), last_good=store)
    kept: list[Snapshot] = []
    registry.on_accepted.append(kept.append)
    try:
        for text, state, count in (
            (keys(7001), "applied", 7001),
            (keys(7001), "applied", 7001),
            (keys(7002)[:-2], "rejected", 7001),
            (keys(7001), "applied", 7001),
            (keys(6000), "applied", 6000),
        ):
            replace(path, text)
            with (
                expect_log("llm_proxy.live.state.registry", "rejected")
                if state == "rejected"
                else nullcontext()
            ):
                outcome = await registry.reload("signal")
            access = registry.current.access
            assert access is not None
            assert (outcome.state, len(access.keys)) == (state, count)
            assert isinstance(registry.current.reading.access, Unkept)
        await wait_until(lambda: store._stored() == registry.current.hash)
        assert all(isinstance(one.reading.access, bytes) for one in kept)
        assert len(kept) == 2
    finally:
        registry.close()


def keys(count: int) -> str:
    """A file of more than a megabyte."""
    rows = {f"key-{n}": {"hash": f"sha256:{n:064x}", "metadata": {"for": 60 * "x"}} for n in range(count)}
    return json.dumps({"keys": rows}, indent=1)
