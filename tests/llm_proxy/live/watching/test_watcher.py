"""Every way in which files change on real machines is seen, once: by inotify alone (no sweep comes within the test),
and by the sweep alone."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from llm_proxy.live.watching import watcher
from llm_proxy.live.watching.watcher import Mode
from tests.support.world import QUICK, ConfigMap, World, document, put, replace, vim

MODES: tuple[Mode, ...] = ("inotify", "poll")


@pytest.fixture(autouse=True, params=MODES)
def mode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Mode:
    monkeypatch.setattr(watcher, "SLOW", 3600.0)
    monkeypatch.setattr(watcher, "ALONE", 0.03)
    mode: Mode = request.param
    return mode


def run(*command: str) -> None:
    """Somebody else's program."""
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=60)


async def once(world: World, weight: float | None = None, /, **prompts: str | None) -> None:
    """The new state comes to serve, by the watcher's own doing, as exactly one new generation."""
    before = world.generation
    await world.shows(weight, **prompts)
    cause = world.registry.outcome.cause
    await world.looked()

    assert world.generation == before + 1
    # "start": the watches were compared with the disk after the verdict before, and showed it before inotify told it.
    assert cause in (("inotify", "start") if world.mode == "inotify" else ("sweep",))
    assert world.state == "applied"


async def test_written_in_place(tmp_path: Path, mode: Mode) -> None:
    """A file that is written in one step, as VS Code and the shell do it."""
    async with World(tmp_path, mode) as world:
        put(world.config, document(2))
        await once(world, 2)


async def test_written_in_several_steps(tmp_path: Path, mode: Mode) -> None:
    """A file that is truncated, written by half, and completed later: nothing is reported, one generation."""
    async with World(tmp_path, mode) as world:
        text = document(2)
        with world.config.open("w") as file:
            await world.sees(lambda: world.state == "pending")
            file.write(text[:40])
            file.flush()
            seen = world.registry.outcome.file_hash
            await world.sees(lambda: world.registry.outcome.file_hash != seen)
            assert (world.state, world.weight) == ("pending", 1)
            file.write(text[40:])
        await once(world, 2)


async def test_a_temporary_file_renamed_over(tmp_path: Path, mode: Mode) -> None:
    """The careful way."""
    async with World(tmp_path, mode) as world:
        replace(world.config, document(2))
        await once(world, 2)


async def test_replaced_from_another_directory(tmp_path: Path, mode: Mode) -> None:
    """A rename of which only the second half happens in a watched directory."""
    async with World(tmp_path, mode) as world:
        put(tmp_path / "elsewhere" / "new.json", document(2))
        os.replace(tmp_path / "elsewhere" / "new.json", world.config)
        await once(world, 2)


async def test_saved_by_vim(tmp_path: Path, mode: Mode) -> None:
    """The steps of vim: the file is renamed to a backup, made again, and the backup goes."""
    async with World(tmp_path, mode) as world:
        vim(world.config, document(2))
        await once(world, 2)


@pytest.mark.skipif(shutil.which("vim") is None, reason="vim is not installed on this machine")
async def test_saved_by_vim_itself(tmp_path: Path, mode: Mode) -> None:
    """The same with the real one."""
    async with World(tmp_path, mode) as world:
        command = [
            "vim",
            "-N",
            "-u",
            "NONE",
            "-es",
            "-c",
            "%s/1\\.\\?0\\?$/7/",
            "-c",
            "wq",
            str(world.config),
        ]
        run(*command)
        await once(world, 7)


@pytest.mark.skipif(shutil.which("sed") is None, reason="sed is not installed on this machine")
async def test_edited_by_sed(tmp_path: Path, mode: Mode) -> None:
    """``sed -i`` writes a new file and renames it over."""
    async with World(tmp_path, mode) as world:
        run("sed", "-i", 's/"weight": 1/"weight": 5/', str(world.config))
        await once(world, 5)


async def test_deleted_and_made_again(tmp_path: Path, mode: Mode) -> None:
    """The old state serves through the gap, and nothing is reported."""
    async with World(tmp_path, mode) as world:
        world.config.unlink()
        await world.sees(lambda: world.state == "pending")
        assert world.weight == 1
        put(world.config, document(2))
        await once(world, 2)


async def test_the_directory_deleted_and_made_again(tmp_path: Path, mode: Mode) -> None:
    """The directory of the configuration goes and comes back with a new one."""
    async with World(tmp_path, mode) as world:
        shutil.rmtree(world.config.parent)
        await world.sees(lambda: world.state == "pending")
        put(world.config, document(2))
        await once(world, 2)


async def test_edits_after_the_directory_came_back(tmp_path: Path, mode: Mode) -> None:
    """The new directory is watched like the old one."""
    async with World(tmp_path, mode) as world:
        shutil.rmtree(world.config.parent)
        put(world.config, document(2))
        await once(world, 2)
        replace(world.config, document(3))
        await once(world, 3)
        put(world.config, document(4))
        await once(world, 4)


async def test_the_directories_above_deleted_and_made_again(tmp_path: Path, mode: Mode) -> None:
    """Wherever the way to the file is broken, it is watched from there on."""
    async with World(tmp_path, mode, config=tmp_path / "a" / "b" / "c" / "models-config.json") as world:
        shutil.rmtree(tmp_path / "a")
        await world.sees(lambda: world.state == "pending")
        put(world.config, document(2))
        await once(world, 2)
        replace(world.config, document(3))
        await once(world, 3)


async def test_another_directory_in_its_place(tmp_path: Path, mode: Mode) -> None:
    """The directory is renamed away, and a prepared one takes its name."""
    async with World(tmp_path, mode) as world:
        put(tmp_path / "next" / "models-config.json", document(2))
        os.rename(tmp_path / "conf", tmp_path / "old")
        os.rename(tmp_path / "next", tmp_path / "conf")
        await once(world, 2)
        put(world.config, document(3))
        await once(world, 3)


async def test_another_prompt_tree_in_its_place(tmp_path: Path, mode: Mode) -> None:
    """The same for the prompts: blue and green."""
    async with World(tmp_path, mode) as world:
        put(tmp_path / "next" / "en" / "a.prompt", "two")
        os.rename(world.prompts, tmp_path / "old")
        os.rename(tmp_path / "next", world.prompts)
        await once(world, a="two")
        replace(world.prompt("en/a"), "three")
        await once(world, a="three")


async def test_the_prompt_tree_deleted_and_made_again(tmp_path: Path, mode: Mode) -> None:
    """While it is gone all prompts stay; then the new ones serve."""
    async with World(tmp_path, mode) as world:
        shutil.rmtree(world.prompts)
        await world.sees(lambda: world.state == "pending")
        assert world.text() == "one"
        put(world.prompt("en/a"), "two")
        await once(world, a="two")


async def test_a_prompt_in_place_and_by_rename(tmp_path: Path, mode: Mode) -> None:
    """Prompt files are seen like the configuration."""
    async with World(tmp_path, mode) as world:
        put(world.prompt("en/a"), "two")
        await once(world, a="two")
        replace(world.prompt("en/a"), "three")
        await once(world, a="three")
        vim(world.prompt("en/a"), "four")
        await once(world, a="four")


async def test_new_sub_directories(tmp_path: Path, mode: Mode) -> None:
    """A prompt in a directory that is made in the same breath, and an edit there afterwards."""
    async with World(tmp_path, mode) as world:
        put(world.prompt("en/deep/er/b"), "two")
        before = world.generation
        await world.sees(lambda: world.text("deep/er/b") == "two")
        put(world.prompt("en/deep/er/b"), "three")
        await world.sees(lambda: world.text("deep/er/b") == "three")
        await world.looked()

        assert world.generation == before + 2


async def test_prompts_that_go(tmp_path: Path, mode: Mode) -> None:
    """A file that is deleted for good is gone, after a moment of grace."""
    async with World(tmp_path, mode, debounce=QUICK) as world:
        put(world.prompt("en/b"), "kept")
        await once(world, b="kept")
        world.prompt("en/a").unlink()
        await world.sees(lambda: world.state == "pending")
        assert world.text() == "one"
        await once(world, a=None, b="kept")


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed on this machine")
async def test_git_checkout(tmp_path: Path, mode: Mode) -> None:
    """Two hundred prompts and the configuration change together: one generation, nothing in between."""

    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "core.fsync=none"]
        run("git", "-C", str(tmp_path), *identity, *arguments)

    world = World(tmp_path, mode)
    git("init", "-q", "-b", "one")
    for version in ("one", "two"):
        put(world.config, document(1 if version == "one" else 2))
        for number in range(200):
            put(world.prompt(f"en/p{number}"), f"{version} {number}")
        put(world.prompt("en/a"), version)
        if version == "two":
            git("checkout", "-q", "-b", "two")
        git("add", ".")
        git("commit", "-q", "-m", version)
    git("checkout", "-q", "one")
    async with world:
        assert (world.text("p199"), world.weight) == ("one 199", 1)
        git("checkout", "-q", "two")
        await once(world, 2, a="two", **{f"p{number}": f"two {number}" for number in range(200)})


async def test_a_config_map(tmp_path: Path, mode: Mode) -> None:
    """Kubernetes swaps a link beside the files; their own names never appear in an event."""
    conf = ConfigMap(tmp_path / "conf", {"models-config.json": document(1)})
    prompts = ConfigMap(tmp_path / "prompts" / "en", {"a.prompt": "one", "b.prompt": "stays"})
    async with World(tmp_path, mode, make=False) as world:
        conf.update({"models-config.json": document(2)})
        await once(world, 2)
        prompts.update({"a.prompt": "two", "b.prompt": "stays"})
        await once(world, a="two", b="stays")
        conf.update({"models-config.json": document(3)})
        await once(world, 3)


async def test_a_config_map_of_the_whole_tree(tmp_path: Path, mode: Mode) -> None:
    """The prompt directory itself is a volume, with its languages behind links."""
    data = tmp_path / "prompts" / "..1"
    put(data / "en" / "a.prompt", "one")
    (tmp_path / "prompts" / "..data").symlink_to("..1")
    (tmp_path / "prompts" / "en").symlink_to("..data/en")
    put(tmp_path / "conf" / "models-config.json", document(1))
    async with World(tmp_path, mode, make=False) as world:
        put(tmp_path / "prompts" / "..2" / "en" / "a.prompt", "two")
        (tmp_path / "prompts" / "..tmp").symlink_to("..2")
        os.replace(tmp_path / "prompts" / "..tmp", tmp_path / "prompts" / "..data")
        shutil.rmtree(data)
        await once(world, a="two")


async def test_a_link_to_the_file(tmp_path: Path, mode: Mode) -> None:
    """Edits behind the link are seen, a new target is seen, and edits of that too."""
    put(tmp_path / "store" / "v1.json", document(1))
    put(tmp_path / "store" / "v2.json", document(2))
    put(tmp_path / "prompts" / "en" / "a.prompt", "one")
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "models-config.json").symlink_to(tmp_path / "store" / "v1.json")
    async with World(tmp_path, mode, make=False) as world:
        replace(tmp_path / "store" / "v1.json", document(11))
        await once(world, 11)
        (tmp_path / "conf" / "next").symlink_to(tmp_path / "store" / "v2.json")
        os.replace(tmp_path / "conf" / "next", world.config)
        await once(world, 2)
        put(tmp_path / "store" / "v2.json", document(22))
        await once(world, 22)


async def test_a_link_on_the_way(tmp_path: Path, mode: Mode) -> None:
    """``current -> release-1`` is turned to another release: configuration and prompts change together."""
    for number, text in ((1, "one"), (2, "two")):
        put(tmp_path / f"release-{number}" / "conf" / "models-config.json", document(number))
        put(tmp_path / f"release-{number}" / "prompts" / "en" / "a.prompt", text)
    current = tmp_path / "current"
    current.symlink_to("release-1")
    config = current / "conf" / "models-config.json"
    async with World(tmp_path, mode, config=config, prompts=current / "prompts", make=False) as world:
        (tmp_path / "next").symlink_to("release-2")
        os.replace(tmp_path / "next", current)
        await once(world, 2, a="two")
        put(tmp_path / "release-2" / "conf" / "models-config.json", document(22))
        await once(world, 22)
        put(tmp_path / "release-2" / "prompts" / "en" / "a.prompt", "two and a half")
        await once(world, a="two and a half")


async def test_links_inside_the_tree(tmp_path: Path, mode: Mode) -> None:
    """A language and a single prompt that live elsewhere are watched there."""
    put(tmp_path / "shared" / "pl" / "a.prompt", "jeden")
    put(tmp_path / "single" / "text", "one")
    world = World(tmp_path, mode, follow=True)
    (world.prompts / "pl").symlink_to(tmp_path / "shared" / "pl")
    world.prompt("en/b").symlink_to(tmp_path / "single" / "text")
    async with world:
        assert (world.text("a", "pl"), world.text("b")) == ("jeden", "one")
        replace(tmp_path / "shared" / "pl" / "a.prompt", "dwa")
        await world.sees(lambda: world.text("a", "pl") == "dwa")
        put(tmp_path / "single" / "text", "two")
        await world.sees(lambda: world.text("b") == "two")
        assert world.generation == 3


async def test_links_that_appear_later(tmp_path: Path, mode: Mode) -> None:
    """What a new link leads to is watched from then on."""
    put(tmp_path / "shared" / "pl" / "a.prompt", "jeden")
    async with World(tmp_path, mode, follow=True) as world:
        (world.prompts / "pl").symlink_to(tmp_path / "shared" / "pl")
        await world.sees(lambda: world.text("a", "pl") == "jeden")
        if mode == "inotify":
            directories = world.watcher.report()["directories"]
            await world.sees(lambda: world.watcher.report()["directories"] > directories or directories > 3)
        put(tmp_path / "shared" / "pl" / "a.prompt", "dwa")
        await world.sees(lambda: world.text("a", "pl") == "dwa")


async def test_nothing_changes(tmp_path: Path, mode: Mode) -> None:
    """A touch, another mode, the same bytes in a new file, and our own reading are no change."""
    async with World(tmp_path, mode) as world:
        before = world.registry.current
        for path, text in ((world.config, document(1)), (world.prompt("en/a"), "one")):
            looked = world.registry.looked_at
            os.utime(path)
            path.chmod(0o600)
            put(path, text)
            replace(path, text)
            path.read_bytes()
            await world.looked()
            assert world.registry.looked_at != looked

        assert world.registry.current is before
        assert (
            world.verdicts <= 2
        )  # a file in the middle of being written may have been seen, and judged as before


async def test_a_rotated_secret(tmp_path: Path, mode: Mode) -> None:
    """A secret file is watched and read again, wherever it lies; the log says no value."""
    put(tmp_path / "keys" / "openai", "first")
    world = World(tmp_path, mode)
    put(world.config, document(1, api_token=f"${{file:{tmp_path}/keys/openai}}"))
    async with world:
        replace(tmp_path / "keys" / "openai", "second")
        await world.sees(lambda: world.registry.current.models["m"][0].token.reveal() == "second")  # type: ignore[union-attr]
        assert world.generation == 2


async def test_faster_than_it_can_be_loaded(tmp_path: Path, mode: Mode) -> None:
    """The last of many edits in a row wins, and far fewer states are built than there were edits."""
    async with World(tmp_path, mode) as world:
        for weight in range(2, 502):
            replace(world.config, document(weight))
        await world.shows(501)
        await world.looked()

        assert world.weight == 501
        assert world.verdicts < 50
