"""The watcher heals itself, says what it cannot see, and costs next to nothing."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from watchdog.events import FileModifiedEvent
from watchdog.observers import inotify_c
from watchdog.observers.inotify_c import InotifyFD

from llm_proxy.live.watching import maintenance as maintenance
from llm_proxy.live.watching import mounts, watcher
from llm_proxy.live.watching import observer as inotify
from llm_proxy.live.watching.mounts import Mount
from llm_proxy.live.watching.observer import EventLog
from llm_proxy.live.watching.watcher import Mode, Watcher
from tests.support.logs import expect_log
from tests.support.loops import wait_until
from tests.support.world import World, document, put, replace

ROOT = Path(__file__).resolve().parent.parent.parent.parent.parent


def threads(world: World) -> Any:
    """The watcher's eyes, which only a test may look into."""
    watches = world.watcher._maintenance._watches
    assert watches is not None
    return watches


async def test_the_heartbeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report proves that the sweep runs: the heartbeat stays young, by inotify and without."""
    monkeypatch.setattr(watcher, "SLOW", 0.05)
    monkeypatch.setattr(watcher, "ALONE", 0.05)
    modes: tuple[Mode, ...] = ("inotify", "poll")
    for mode in modes:
        async with World(tmp_path / mode, mode) as world:
            first = world.registry.looked_at
            await wait_until(lambda first=first: world.registry.looked_at != first)  # type: ignore[misc]
            report = world.watcher.report()

            assert report["mode"] == mode
            assert 0 <= report["heartbeat"] < 5
            assert report["problems"] == []
            assert (report["directories"] > 0) == (mode == "inotify")
            assert str(tmp_path) not in str(report)


async def test_before_the_first_look(tmp_path: Path) -> None:
    """A watcher that has not begun claims nothing."""
    world = World(tmp_path)
    report = Watcher(world.open()).report()
    world.registry.close()

    assert (report["heartbeat"], report["last_event"], report["directories"]) == (None, None, 0)


async def test_the_last_event_is_told(tmp_path: Path) -> None:
    """What kind it was, and how long ago; not its path."""
    async with World(tmp_path) as world:
        replace(world.config, document(2))
        await world.shows(2)
        report = world.watcher.report()

    assert report["events"] > 0
    assert report["last_event"]["event"] in {"created", "modified", "closed", "moved"}
    assert set(report["last_event"]) == {"event", "ago"}


@pytest.mark.usefixtures("_quiet_death")
@pytest.mark.parametrize("victim", ["observer", "reader", "emitters"])
async def test_dead_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, victim: str) -> None:
    """Whichever of watchdog's threads ends, the sweep renews the watches and says so; events come again."""
    monkeypatch.setattr(watcher, "SLOW", 0.2)
    async with World(tmp_path) as world:
        observer = threads(world)._observer
        if victim == "observer":
            observer.event_queue.put(None)  # cannot be unpacked: what an exception in a handler does
        elif victim == "reader":
            os.write(observer._inotify_fd._kill_w, b"!")
            observer._inotify_fd._stopped_event.set()
        else:
            for emitter in observer.emitters.copy():
                emitter.stop()
        with expect_log("llm_proxy.live.watching.watcher", "were dead and have been renewed") as lines:
            await wait_until(lambda: world.watcher.report()["healed"] > 0)
        monkeypatch.setattr(watcher, "SLOW", 3600.0)
        events = world.watcher.report()["events"]
        replace(world.config, document(2))
        await world.shows(2)

        assert lines[0].levelno == logging.WARNING
        assert world.watcher.report()["events"] > events


@pytest.fixture
def _quiet_death(monkeypatch: pytest.MonkeyPatch) -> None:
    """The observer's thread is meant to die of an exception."""
    monkeypatch.setattr(threading, "excepthook", lambda arguments: None)


async def test_a_handler_never_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A surprise in the handler costs one event and not watchdog's thread."""
    async with World(tmp_path) as world:
        with monkeypatch.context() as patch:
            seen = threading.Event()

            def broken(*arguments: object) -> None:
                seen.set()
                raise ZeroDivisionError

            patch.setattr(EventLog, "hear", broken)
            replace(world.config, document(2))
            await wait_until(seen.is_set)
        replace(world.config, document(3))
        await world.shows(3)

        assert threads(world).is_alive


async def test_inotify_that_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Bind mounts and network file systems: the sweep finds the edit, says that inotify did not tell it, and comes more
    often from then on."""
    monkeypatch.setattr(watcher, "SLOW", 0.2)
    monkeypatch.setattr(watcher, "FAST", 0.05)
    monkeypatch.setattr(watcher, "_SAME", 0.05)
    monkeypatch.setattr(EventLog, "hear", lambda *arguments: None)
    async with World(tmp_path, "auto") as world:
        slow = world.watcher.interval
        replace(world.config, document(2))
        await world.shows(2)
        cause = world.registry.outcome.cause
        await wait_until(lambda: world.watcher.report()["missed"] == 1)

        assert cause == "sweep"
        assert (slow, world.watcher.interval) == (0.2, 0.05)
        assert "the sweep has noticed changes that inotify did not tell" in world.watcher.report()["problems"]
        assert sum("did not tell" in message for message in caplog.messages) == 1


async def test_a_sweep_that_was_merely_quicker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If inotify tells the same a moment later, nothing was missed."""
    monkeypatch.setattr(watcher, "SLOW", 3600.0)
    monkeypatch.setattr(watcher, "_SAME", 0.2)
    async with World(tmp_path) as world:
        doubted = threading.Event()
        doubt = world.watcher._doubt

        def noted(noticed: float, healed: int) -> None:
            doubt(noticed, healed)
            doubted.set()

        monkeypatch.setattr(world.watcher, "_doubt", noted)
        world.registry.on_notice[0]("sweep")
        replace(world.config, document(2))
        await wait_until(doubted.is_set)

        assert world.watcher.report()["missed"] == 0


@pytest.mark.parametrize("mode", ["auto", "inotify"])
async def test_no_more_watches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, mode: Any
) -> None:
    """The limit of watches is reached in the middle of the tree, which watchdog does not mention: the watcher polls,
    says so in log and report, and returns to inotify once that works."""
    monkeypatch.setattr(watcher, "ALONE", 0.05)
    add, made, limit = inotify_c.inotify_add_watch, [0], [6]

    def limited(descriptor: int, path: bytes, mask: int) -> Any:
        if made[0] >= limit[0]:
            ctypes.set_errno(errno.ENOSPC)
            return -1
        made[0] += 1
        return add(descriptor, path, mask)

    monkeypatch.setattr(inotify_c, "inotify_add_watch", limited)
    world = World(tmp_path, mode)
    for number in range(30):
        put(world.prompt(f"en/d{number}/p"), "text")
    async with world:
        report = world.watcher.report()
        replace(world.config, document(2))
        await world.shows(2)
        put(world.prompt("en/d29/p"), "new")
        await world.sees(lambda: world.text("d29/p") == "new")
        cause = world.registry.outcome.cause
        limit[0] = 1000
        monkeypatch.setattr(world.watcher._maintenance, "_retry_at", 0.0)
        await wait_until(lambda: world.watcher.mode == "inotify")

        assert (report["mode"], report["problems"]) == ("poll", ["inotify watch limit reached"])
        assert cause == "sweep"
        assert world.watcher.report()["problems"] == []
        assert caplog.messages.count("inotify cannot be used, polling instead") == 1
        assert caplog.messages.count("inotify can be used again") == 1


async def test_no_more_instances(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other limit: there is no inotify at all."""
    monkeypatch.setattr(watcher, "ALONE", 0.05)

    def none() -> int:
        ctypes.set_errno(errno.EMFILE)
        return -1

    monkeypatch.setattr(inotify_c, "inotify_init", none)
    async with World(tmp_path, "auto") as world:
        replace(world.config, document(2))
        await world.shows(2)

        assert world.watcher.report()["problems"] == ["inotify instance limit reached"]


_IN_A_NAMESPACE = """
import asyncio, sys
from pathlib import Path
from tests.support.world import World, document, put, replace

async def main(folder):
    world = World(folder, "auto")
    for number in range(30):
        put(world.prompt(f"en/d{number}/p"), "text")
    async with world:
        replace(world.config, document(2))
        await world.shows(2)
        print(world.watcher.report()["mode"], world.watcher.report()["problems"])

asyncio.run(main(Path(sys.argv[1])))
"""


def test_the_real_limit(tmp_path: Path) -> None:
    """The same under the kernel's own limit, lowered for a user namespace."""
    script = 'echo 10 > /proc/sys/user/max_inotify_watches && exec "$0" -c "$1" "$2"'
    command = ["unshare", "-Ur", "sh", "-ec", script, sys.executable, _IN_A_NAMESPACE, str(tmp_path)]
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-Ur", "true"], check=False).returncode:
        pytest.skip("this machine allows no user namespaces")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert done.stdout == "poll ['inotify watch limit reached']\n", done.stderr


async def test_a_file_that_is_a_mount(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """``docker -v file:file`` and Kubernetes' subPath: a warning at start and in the report says what to do instead."""
    table = [Mount("/", "ext4"), Mount(str(tmp_path / "conf" / "models-config.json"), "ext4")]
    monkeypatch.setattr(maintenance, "mounts", lambda: table)
    async with World(tmp_path, "auto") as world:
        report = world.watcher.report()

    assert any("mount its directory instead" in problem for problem in report["problems"])
    assert sum("mount of its own" in message for message in caplog.messages) == 1


async def test_a_network_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where changes can come from elsewhere, ``auto`` sweeps often from the start."""
    monkeypatch.setattr(maintenance, "mounts", lambda: [Mount("/", "nfs4")])
    async with World(tmp_path / "a", "auto") as world:
        auto = world.watcher.interval
    async with World(tmp_path / "b", "inotify") as world:
        explicit = world.watcher.interval

    assert (auto, explicit) == (watcher.FAST, watcher.SLOW)


@pytest.mark.parametrize(
    ("cost", "seconds", "told", "pause"),
    [
        (0.1, 0.1, True, 10.0),
        (0.1, 0.1, False, 1.0),
        (2.0, 2.0, True, 60.0),  # a net is there each minute,
        (9.0, 9.0, True, 90.0),  # unless that alone would be more than a tenth of a core
        (0.001, 20.0, True, 40.0),
    ],
)
def test_many_prompts_are_swept_rarely(cost: float, seconds: float, told: bool, pause: float) -> None:
    """While inotify tells of changes, a sweep over thousands of prompts takes a hundredth of a core, else a tenth."""
    assert watcher.prompts_pause(cost, seconds, told=told) == pytest.approx(pause)


_BIND = """
import asyncio, os, subprocess, sys
from pathlib import Path
from tests.support.world import World, document, put, replace
from llm_proxy.live.watching import watcher

watcher.SLOW = watcher.FAST = 0.1

async def main(folder):
    put(folder / "host.json", document(1))
    world = World(folder, "auto")
    subprocess.run(["mount", "--bind", str(folder / "host.json"), str(world.config)], check=True)
    async with world:
        put(folder / "host.json", document(2))
        await world.shows(2)
        print(world.registry.outcome.cause, len(world.watcher.report()["problems"]) > 0)
        before = world.watcher.report()["detached"]
        replace(folder / "host.json", document(3))
        await world.sees(lambda: world.watcher.report()["detached"])
        print(before, int(world.weight), world.watcher.report()["problems"][0])

asyncio.run(main(Path(sys.argv[1])))
"""


def test_a_real_bind_mount(tmp_path: Path) -> None:
    """An in-place edit on the host's side of a mounted file reaches us by the sweep; that it was replaced there is told for
    certain."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-Urm", "true"], check=False).returncode:
        pytest.skip("this machine allows no mount namespaces")
    command = ["unshare", "-Urm", sys.executable, "-c", _BIND, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)

    first, second = done.stdout.splitlines() or ["", done.stderr]
    assert first == "sweep True"
    assert second.startswith("False 2 the mounted configuration file was replaced outside")


async def test_same_size_and_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweep compares contents: what ``stat`` cannot tell apart is seen."""
    monkeypatch.setattr(watcher, "ALONE", 0.05)
    async with World(tmp_path, "poll") as world:
        for path, text in ((world.config, document(9)), (world.prompt("en/a"), "two")):
            before = path.stat()
            put(path, text)
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
            assert path.stat().st_size == before.st_size
        await world.shows(9, a="two")


async def test_a_busy_neighbour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log file beside the configuration, written as fast as the machine can: nothing is ever pending because of it,
    looks stay few, and an edit comes through by inotify."""
    monkeypatch.setattr(watcher, "SLOW", 3600.0)
    async with World(tmp_path) as world:
        stop, looks, states = threading.Event(), [0], set()

        def write() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                with (world.config.parent / f"app{number % 5}.log").open("a") as file:
                    file.write("noise\n")

        look = world.registry._look

        async def counted() -> None:
            looks[0] += 1
            await look()
            states.add(world.state)

        monkeypatch.setattr(world.registry, "_look", counted)
        writer = threading.Thread(target=write)
        begun = time.monotonic()
        writer.start()
        try:
            await wait_until(lambda: looks[0] >= 10)
            elapsed = time.monotonic() - begun
            before, during = set(states), looks[0]
            replace(world.config, document(2))
            await world.shows(2)
        finally:
            stop.set()
            writer.join()

        assert before == {"applied"}
        assert during <= 2 + elapsed / 0.02
        assert world.registry.outcome.cause == "inotify"
        assert world.generation == 2


async def test_our_own_reading_is_no_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often the files are read, inotify tells nothing: there is no loop."""
    monkeypatch.setattr(watcher, "SLOW", 3600.0)
    async with World(tmp_path) as world:
        for _ in range(20):
            await world.looked()
            world.config.read_bytes()
        put(tmp_path / "conf" / "marker", "last")  # events come in order: when this one is there, all are
        await wait_until(lambda: world.watcher.report()["events"] > 0)

        assert world.watcher.report()["events"] <= 3


async def test_a_prompt_that_is_still_being_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of a prompt is a valid text, but its writer has not closed it yet: it is waited for."""
    monkeypatch.setattr(watcher, "SLOW", 3600.0)
    async with World(tmp_path) as world:
        with world.prompt("en/a").open("w") as file:
            file.write("half of ")
            file.flush()
            await wait_until(lambda: world.state == "pending")
            waits_until = world.registry._due()
            assert waits_until is not None
            assert waits_until > asyncio.get_running_loop().time() + 20
            file.write("a text")
        await world.shows(a="half of a text")
        await world.looked()

        assert world.generation == 2


async def test_the_watcher_stumbles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours in a sweep is logged, and the next sweep comes."""
    monkeypatch.setattr(watcher, "ALONE", 0.05)
    async with World(tmp_path, "poll") as world:
        with (
            monkeypatch.context() as patch,
            expect_log("llm_proxy.live.watching.watcher", "stumbled") as told,
        ):

            def broken(*arguments: object, **named: object) -> None:
                raise ZeroDivisionError

            patch.setattr(maintenance, "make_plan", broken)
            await wait_until(lambda: told)
        replace(world.config, document(2))
        await world.shows(2)


async def test_too_many_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Directories behind links that are too many to be watched are left to the sweep, and the report says so."""
    monkeypatch.setattr("llm_proxy.live.watching.roots.MAX_ROOTS", 4)
    monkeypatch.setattr(watcher, "SLOW", 0.1)
    world = World(tmp_path, follow=True)
    for number in range(10):
        put(tmp_path / "far" / str(number) / "p", "old")
        world.prompt(f"en/p{number}").symlink_to(tmp_path / "far" / str(number) / "p")
    async with world:
        report = world.watcher.report()
        for number in range(10):
            put(tmp_path / "far" / str(number) / "p", "new")
        await world.sees(lambda: all(world.text(f"p{number}") == "new" for number in range(10)))

        assert any("are watched" in problem for problem in report["problems"])
        assert report["directories"] == 4


async def test_other_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no inotify, watchdog's own observer does the work."""
    monkeypatch.setattr(sys, "platform", "other")
    async with World(tmp_path) as world:
        replace(world.config, document(2))
        await world.shows(2)

        assert type(threads(world)._observer).__name__ == "InotifyObserver"
        assert world.registry.outcome.cause == "inotify"


async def test_lost_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the kernel says that it has dropped events, everything is looked at."""
    monkeypatch.setattr(watcher, "SLOW", 3600.0)
    async with World(tmp_path) as world:
        looked = world.registry.looked_at
        world.watcher._event_log.lost()
        await wait_until(lambda: world.registry.looked_at != looked)


def test_events_that_say_nothing(tmp_path: Path) -> None:
    """The filter asks the kernel for no event of opening, reading or closing after reading."""
    filters = {kind.__name__ for kind in inotify._CONTENT}

    assert not {"FileOpenedEvent", "FileClosedNoWriteEvent"} & filters
    assert FileModifiedEvent in inotify._CONTENT


async def test_nothing_is_left(tmp_path: Path) -> None:
    """After the end there is no thread and no descriptor of ours."""

    before, descriptors = set(threading.enumerate()), len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        async with World(tmp_path):
            assert set(threading.enumerate()) - before
    await wait_until(lambda: set(threading.enumerate()) <= before)

    assert len(os.listdir("/proc/self/fd")) <= descriptors
    assert InotifyFD._instance is None


def test_mount_table() -> None:
    """The kernel's table is understood, escapes included; the innermost mount counts."""
    table = mounts.mounts(
        b"22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
        b"35 22 0:30 /x /mnt/with\\040space rw shared:1 master:2 - nfs4 server:/x rw\n"
        b"36 22 0:31 / /mnt/fuse rw - fuse.sshfs x rw\n"
        b"broken\n"
    )

    assert [mount.is_remote for mount in table] == [False, True, True]
    assert mounts.mount_of("/mnt/with space/file", table) == Mount("/mnt/with space", "nfs4")
    assert mounts.mount_of("/mnt/with spaces", table) == Mount("/", "ext4")
    assert mounts.mount_of("/mnt/fuse", table) == Mount("/mnt/fuse", "fuse.sshfs")
    assert any(mount.point == "/" for mount in mounts.mounts())
