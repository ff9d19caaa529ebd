"""What becomes of an edit: applied, rejected, waited for; said once; never half."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
import logging
import os
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_proxy.live.state import registry
from llm_proxy.live.state.reading import read
from llm_proxy.live.state.registry import Registry
from llm_proxy.live.state.snapshot import judge, load_snapshot, problem_lines
from llm_proxy.live.watching import reload_steps as looking
from tests.support.logs import expect_log
from tests.support.loops import wait_until
from tests.support.secrets import UPSTREAM_KEY
from tests.support.world import QUICK, World, document, put, replace

REJECTED = "configuration rejected"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Files and a registry; nobody watches."""
    made = World(tmp_path, debounce=QUICK)
    made.open()
    return made


async def touched(world: World) -> None:
    """What an event of inotify leads to, until the verdict."""
    await world.registry.touch("inotify")


async def test_an_edit_is_applied(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """One new generation; the log says what changed in words; the outcome says when and how it was noticed."""
    replace(world.config, document(2, options={"temperature": 0.4}))
    await touched(world)
    outcome = world.registry.outcome
    world.registry.close()

    assert (world.weight, world.generation, world.swaps) == (2, 2, [2])
    assert (outcome.state, outcome.cause, outcome.problems) == ("applied", "inotify", ())
    assert outcome.file_hash == hashlib.sha256(world.config.read_bytes()).hexdigest()
    (line,) = [record for record in caplog.records if record.message == "configuration applied"]
    assert line.changes == ["model m: weight 1 -> 2, temperature unset -> 0.4"]  # type: ignore[attr-defined]
    assert line.generation == world.registry.current.version  # type: ignore[attr-defined]


async def test_an_invalid_edit_changes_nothing(world: World) -> None:
    """Every problem with its place, one ERROR however often it is looked at, and the same list until it is mended."""
    before = world.registry.current
    bad = {"weigth": 1, "active": "yes", "api_token": UPSTREAM_KEY}
    put(world.config, json.dumps({"openai": {"m": bad}}, indent=1))
    with expect_log("llm_proxy.live.state.registry", REJECTED) as lines:
        for _ in range(3):
            await touched(world)
        rejected = world.registry.outcome
    put(world.config, document(3))
    await touched(world)
    world.registry.close()

    assert len(lines) == 1
    assert rejected.state == "rejected"
    assert [problem.split(": ")[:3] for problem in rejected.problems] == [
        ["models-config.json", "line 4, column 4", "openai.m.weigth"],
        ["models-config.json", "line 5, column 14", "openai.m.active"],
    ]
    assert lines[0].problems == list(rejected.problems)  # type: ignore[attr-defined]
    assert before.models["m"][0].weight == 1
    assert (world.state, world.weight, world.generation, world.registry.outcome.problems) == (
        "applied",
        3,
        2,
        (),
    )


async def test_a_rejected_edit_is_taken_back(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The old content is applied again, as the generation that it was."""
    before = world.registry.current
    put(world.config, "{}")
    with expect_log("llm_proxy.live.state.registry", REJECTED):
        await touched(world)
    put(world.config, document(1))
    await touched(world)
    world.registry.close()

    assert world.registry.current is before
    assert world.state == "applied"
    assert "configuration is good again" in caplog.messages


async def test_another_mistake_is_another_verdict(world: World) -> None:
    """A rejected file that is edited into another bad one is reported again, with the new problems."""
    with expect_log("llm_proxy.live.state.registry", REJECTED) as lines:
        for text in ("{}", document(-1), "{}"):
            put(world.config, text)
            await touched(world)
    world.registry.close()

    assert len(lines) == 3


async def test_rejection_hides_no_good_prompt_edit_from_the_hash(world: World) -> None:
    """Configuration and prompts are one state: with a bad configuration the new prompt waits, then both apply."""
    put(world.config, "{}")
    put(world.prompt("en/a"), "two")
    with expect_log("llm_proxy.live.state.registry", REJECTED):
        await touched(world)
    waiting = world.text()
    put(world.config, document(2))
    await touched(world)
    world.registry.close()

    assert (waiting, world.text(), world.weight, world.generation) == ("one", "two", 2, 2)


def text(content: bytes) -> Callable[[Path], None]:
    """A file with that content."""
    return lambda path: put(path, content)


def large(path: Path) -> None:
    """A file of 100 MB."""
    os.truncate(path, 100 * 1024 * 1024)


def directory(path: Path) -> None:
    """A directory."""
    path.unlink()
    path.mkdir()


def fifo(path: Path) -> None:
    """A pipe that nobody writes to."""
    path.unlink()
    os.mkfifo(path)


def device(path: Path) -> None:
    """A device that never ends."""
    path.unlink()
    path.symlink_to("/dev/zero")


def nothing(path: Path) -> None:
    """Nothing at all."""
    path.unlink()


GOOD = document(2).encode()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (text(b""), "is empty"),
        (text(b"{}"), "no provider"),
        (text(b'{"openai": "\xff"}'), "UTF-8"),
        (text(b"\xef\xbb\xbf" + GOOD), "byte order mark"),
        (text(GOOD + b"\0"), "NUL"),
        (text(GOOD * 2), "nothing may follow"),
        (text(b"[" * 100_000), "deep"),
        (text(GOOD[:-1]), "ends too early"),
        (large, "larger than"),
        (directory, "not a regular file"),
        (fifo, "not a regular file"),
        (device, "not a regular file"),
        (nothing, "No such file"),
    ],
)
async def test_what_may_lie_there_instead(world: World, make: Callable[[Path], None], words: str) -> None:
    """Whatever it is, it is named and nothing blocks; the old state serves."""
    make(world.config)
    with expect_log("llm_proxy.live.state.registry", REJECTED) as lines:
        await touched(world)
    world.registry.close()

    assert (world.state, world.weight) == ("rejected", 1)
    assert any(words in problem for problem in world.registry.outcome.problems), (
        world.registry.outcome.problems
    )
    assert not any(str(world.folder) in problem for problem in world.registry.outcome.problems)
    assert len(lines) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_no_permission(world: World) -> None:
    """A file that may not be read is named; once it may be read it serves."""
    replace(world.config, document(2))
    world.config.chmod(0)
    with expect_log("llm_proxy.live.state.registry", REJECTED):
        await touched(world)
    assert "Permission denied" in world.registry.outcome.problems[0]
    world.config.chmod(0o600)
    await touched(world)
    world.registry.close()

    assert (world.state, world.weight) == ("applied", 2)


async def test_half_written_for_ever(world: World) -> None:
    """It is waited for while it may be completed, then rejected."""
    put(world.config, document(2)[:30])
    task = world.registry.touch("inotify")
    await wait_until(lambda: world.state == "pending")
    pending_problems = world.registry.outcome.problems
    with expect_log("llm_proxy.live.state.registry", REJECTED):
        await task
    world.registry.close()

    assert pending_problems == ()
    assert (world.state, world.weight) == ("rejected", 1)


async def test_pending_is_shown_while_it_runs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the look that finds new content until the verdict; the old state serves, and its problems are listed."""
    begun, go_on = threading.Event(), threading.Event()

    def slow(*arguments: object) -> object:
        begun.set()
        go_on.wait(10)
        return judge(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(looking, "judge", slow)
    replace(world.config, document(2))
    task = world.registry.touch("inotify")
    await wait_until(begun.is_set)
    shown = world.registry.outcome
    weight = world.weight
    go_on.set()
    await task
    world.registry.close()

    assert (shown.state, shown.cause, weight) == ("pending", "inotify", 1)
    assert shown.file_hash == hashlib.sha256(world.config.read_bytes()).hexdigest()
    assert (world.state, world.weight) == ("applied", 2)


async def test_no_edit_is_lost_during_a_load(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hint that comes while a load runs makes it run once more; the last state on disk wins."""
    begun, go_on = threading.Event(), threading.Event()

    def slow(*arguments: object) -> object:
        begun.set()
        go_on.wait(10)
        return judge(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(looking, "judge", slow)
    replace(world.config, document(2))
    first = world.registry.touch("inotify")
    await wait_until(begun.is_set)
    replace(world.config, document(3))
    second, third = world.registry.touch("inotify"), world.registry.touch("signal")
    go_on.set()
    await first
    world.registry.close()

    assert first is second is third
    assert world.swaps == [2, 3]
    assert world.generation == 3


async def test_asked_for_twice_at_once(world: World) -> None:
    """Two signals, one of them during the load: the same verdict for both, one ERROR, no quiet moment waited for."""
    world.registry.debounce = type(QUICK)(quiet=3600)
    put(world.config, "{}")
    with expect_log("llm_proxy.live.state.registry", REJECTED) as lines:
        first, second = await asyncio.gather(world.registry.reload("signal"), world.registry.reload("signal"))
        third = await world.registry.reload("signal")
    world.registry.close()

    assert first == second == third
    assert (first.state, first.cause) == ("rejected", "signal")
    assert len(lines) == 1


async def test_asked_for_without_need(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever sends a signal gets an answer in the log, and no new generation."""
    outcome = await world.registry.reload("signal")
    world.registry.close()

    assert "configuration unchanged" in caplog.messages
    assert (outcome.state, world.generation, world.verdicts) == ("applied", 1, 0)


async def test_a_change_that_is_taken_back_at_once(world: World) -> None:
    """Content that is as before when the moment of judgement comes is no change."""
    world.registry.debounce = type(QUICK)(quiet=0.2)
    replace(world.config, document(2))
    task = world.registry.touch("inotify")
    await wait_until(lambda: world.state == "pending")
    replace(world.config, document(1))
    world.registry.touch("inotify")
    await task
    world.registry.close()

    assert (world.state, world.generation, world.swaps) == ("applied", 1, [])


async def test_a_bad_prompt_file(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """It keeps its old text and is listed, while the rest of the edit applies."""
    put(world.prompt("en/a"), b"\xff\xfe")
    put(world.prompt("en/b"), "new")
    await touched(world)
    listed = world.registry.outcome
    put(world.prompt("en/a"), "two")
    await touched(world)
    world.registry.close()

    assert listed.state == "applied"
    assert [problem.split(": ")[0] for problem in listed.problems] == ["prompt en/a.prompt"]
    assert caplog.messages.count("some prompt files are not used") == 1
    assert (world.text("b"), world.text("a"), world.registry.outcome.problems) == ("new", "two", ())


async def test_a_prompt_file_that_is_only_bad(world: World) -> None:
    """Nothing else has changed: it is listed, and the generation stays."""
    put(world.prompt("en/a"), "{{ bad slot")
    await touched(world)
    world.registry.close()

    assert (world.state, world.generation, world.text()) == ("applied", 1, "one")
    assert len(world.registry.outcome.problems) == 1


async def test_secrets(tmp_path: Path) -> None:
    """A secret file that vanishes rejects the state by name; when it is back, whatever its value, it serves."""
    world = World(tmp_path, env={"PLANTED": UPSTREAM_KEY}, debounce=QUICK)
    put(tmp_path / "key", "first")
    put(world.config, document(1, api_token=f"${{file:{tmp_path}/key}}", headers={"X-Key": "${PLANTED}"}))
    world.open()
    (tmp_path / "key").unlink()
    with expect_log("llm_proxy.live.state.registry", REJECTED) as lines:
        await touched(world)
    rejected = world.registry.outcome
    watched = world.registry.secret_files
    put(tmp_path / "key", "second")
    await touched(world)
    world.registry.close()

    assert (rejected.state, len(lines)) == ("rejected", 1)
    assert "key cannot be read" in rejected.problems[0]
    assert watched == (f"{tmp_path}/key",)
    token = world.registry.current.models["m"][0].token
    assert token is not None
    assert (world.state, world.generation, token.reveal()) == ("applied", 2, "second")


async def test_a_secret_that_is_named_but_not_there_yet(world: World) -> None:
    """A rejected configuration tells which files must appear, so that they can be watched."""
    missing = world.folder / "not" / "yet"
    put(world.config, document(2, api_token=f"${{file:{missing}}}"))
    with expect_log("llm_proxy.live.state.registry", REJECTED):
        await touched(world)
    watched = world.registry.secret_files
    put(missing, "key")
    await touched(world)
    world.registry.close()

    assert watched == (str(missing),)
    assert (world.state, world.weight) == ("applied", 2)


async def test_a_file_system_that_hangs(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The loop goes on, the old state serves, ``pending`` and a warning say why; then all is as it was."""
    go_on = threading.Event()

    def hanging(*arguments: object) -> object:
        go_on.wait(10)
        return read(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(registry, "_HANGS", 0.05)
    monkeypatch.setattr(looking, "read", hanging)
    task = world.registry.touch("sweep")
    await wait_until(lambda: world.state == "pending")
    shown = world.registry.outcome
    go_on.set()
    await task
    world.registry.close()

    assert any("very long" in problem for problem in shown.problems)
    assert [record.levelno for record in caplog.records if "very long" in record.message] == [logging.WARNING]
    assert (world.state, world.registry.outcome.problems, world.weight) == ("applied", (), 1)


async def test_a_fault_of_ours(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loader that raises what it should not is a rejection without values, not the end of watching."""

    def broken(*arguments: object) -> object:
        raise ZeroDivisionError(UPSTREAM_KEY[:0])

    with monkeypatch.context() as patch, expect_log("llm_proxy", "could not be judged|rejected"):
        patch.setattr(looking, "judge", broken)
        replace(world.config, document(2))
        await touched(world)
    rejected = world.registry.outcome
    replace(world.config, document(3))
    await touched(world)
    world.registry.close()

    assert (rejected.state, rejected.problems) == ("rejected", ("internal error (ZeroDivisionError)",))
    assert (world.state, world.weight) == ("applied", 3)


async def test_a_look_that_raises(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is logged, and the next look begins anew."""

    def broken(*arguments: object) -> object:
        raise ZeroDivisionError

    with (
        monkeypatch.context() as patch,
        expect_log("llm_proxy.live.state.registry", "looking at the files failed"),
    ):
        patch.setattr(looking, "read", broken)
        await touched(world)
    replace(world.config, document(3))
    await touched(world)
    world.registry.close()

    assert (world.state, world.weight) == ("applied", 3)


async def test_a_listener_that_raises(world: World) -> None:
    """The others hear of the new state nevertheless."""
    heard: list[int] = []
    world.registry.on_swap.insert(0, lambda snapshot: heard.append(1 // 0))
    replace(world.config, document(2))
    with expect_log("llm_proxy.live.state.registry", "a listener failed"):
        await touched(world)
    world.registry.close()

    assert world.swaps == [2]


async def test_the_old_state_is_freed(world: World) -> None:
    """Once no request holds it, nothing does."""
    old = weakref.ref(world.registry.current)
    for weight in (2, 3):
        replace(world.config, document(weight))
        await touched(world)
    world.registry.close()
    gc.collect()

    assert old() is None


async def test_after_the_end(world: World) -> None:
    """A hint that comes after ``close`` does nothing."""
    world.registry.close()
    replace(world.config, document(2))
    await touched(world)

    assert world.weight == 1


def test_every_problem_at_start(tmp_path: Path) -> None:
    """A missing prompt directory hides no problem of the configuration."""
    world = World(tmp_path, make=False)
    put(world.config, "{}")
    with pytest.raises(Exception, match="models-config") as caught:
        load_snapshot(world.sources)

    lines = problem_lines(caught.value)
    assert len(lines) == 2
    assert lines[1].startswith("prompt directory")


def test_unreadable_at_start(tmp_path: Path) -> None:
    """A missing file is named without a directory."""
    world = World(tmp_path)
    world.config.unlink()
    with pytest.raises(FileNotFoundError) as caught:
        load_snapshot(world.sources)

    assert problem_lines(caught.value) == ["models-config.json: No such file or directory"]


async def test_the_hash_is_the_content(tmp_path: Path) -> None:
    """The same files elsewhere have the same hash; each byte of configuration, prompts and secrets counts."""
    hashes = []
    for number, (weight, text, key) in enumerate(
        [(1, "one", "k"), (1, "one", "k"), (2, "one", "k"), (1, "two", "k"), (1, "one", "l")]
    ):
        world = World(tmp_path / str(number))
        put(tmp_path / "key", key)
        put(world.config, document(weight, api_token=f"${{file:{tmp_path}/key}}"))
        put(world.prompt("en/a"), text)
        hashes.append(load_snapshot(world.sources).hash)

    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 4


async def test_nobody_waits_for_a_cancelled_request(world: World) -> None:
    """Whoever gives up waiting for a reload does not stop it for the others."""
    replace(world.config, document(2))
    waiting = asyncio.ensure_future(world.registry.reload("signal"))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await world.registry.reload("signal")
    world.registry.close()

    assert world.weight == 2
    assert isinstance(world.registry, Registry)
