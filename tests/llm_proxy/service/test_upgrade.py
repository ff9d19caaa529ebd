"""A new version of the program beside the running one, on the same sockets: nobody who asks notices."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from llm_proxy.clients.binding import SocketFile
from llm_proxy.service.takeover import Handover
from llm_proxy.service.upgrade import command_of
from tests.llm_proxy.service.test_start_stop import CHAT, config, held
from tests.llm_proxy.service.test_systemd import notified
from tests.support.client import Answer, Connection, request
from tests.support.loops import wait_until
from tests.support.peer import Peer
from tests.support.program import PATIENCE, ROOT, Program, is_alive

DEMO: dict[str, Any] = {"demo": {"m": {}}}
ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "one two three four five"}]}
FAILED = "the new version did not start, this one goes on"
#: Several programs start one after the other, on a machine that has more to do.
LONG = 60.0
#: Whether clients want streams, and whether they keep their connections.
KINDS = tuple((stream, kept) for stream in (False, True) for kept in (False, True))
#: Requests that must have been answered in full by the old and by the new version.
ENOUGH = 30


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the program, to be changed."""
    found = tmp_path / "tree"
    for name in ("llm_proxy", "handlers", "providers"):
        shutil.copytree(ROOT / name, found / name)
    return found


def change(tree: Path, version: str) -> None:
    """What clients see of it: the field ``Server``."""
    file = tree / "llm_proxy" / "__init__.py"
    before = file.read_text()
    file.write_text(before.replace('__version__ = "', f'__version__ = "{version}-'))


def version_of(answer: Answer) -> str:
    return answer.headers["server"].partition("/")[2].partition("-")[0]


def is_gone(pid: int) -> bool:
    return not is_alive(pid)


class Load:
    """Clients of every kind, who go on until ``end``."""

    def __init__(self, url: str, kinds: Sequence[tuple[bool, bool]] = KINDS) -> None:
        self._url = url
        self._done = False
        self.failures: list[str] = []
        self.answered: Counter[str] = Counter()
        self._tasks = [asyncio.create_task(self._client(*kind)) for kind in (*kinds, *kinds)]

    async def _client(self, stream: bool, kept: bool) -> None:
        body = {**ASK, "stream": stream}
        while not self._done:
            try:
                async with Connection(self._url) as connection:
                    while not self._done:
                        got = await connection.request("POST", "/v1/chat/completions", body)
                        self._judge(got, stream)
                        if not kept or got.headers.get("connection") == "close":
                            break
            except (OSError, asyncio.IncompleteReadError) as error:
                self.failures.append(f"stream={stream} kept={kept}: {error!r}")

    def _judge(self, got: Answer, stream: bool) -> None:
        ends = not stream or got.body.endswith(b"[DONE]\n\n")
        if got.status != 200 or not got.complete or b"five" not in got.body or not ends:
            self.failures.append(f"{got.status} {got.body!r}")
        self.answered[version_of(got)] += 1

    async def enough_of(self, version: str) -> None:
        """Wait until it has answered a good many."""
        await wait_until(lambda: self.failures or self.answered[version] >= ENOUGH, LONG)

    async def end(self) -> None:
        self._done = True
        await asyncio.gather(*self._tasks)


@pytest.mark.timeout(seconds=120)
@pytest.mark.parametrize("workers", [1, 2])
async def test_nobody_notices(workers: int, tree: Path, tmp_path: Path) -> None:
    """The code of the program changes, once and again, under streams and whole answers on new and on kept connections: not one request is
    lost, each version ends by itself with status 0, and the numbers of the configuration go on."""
    async with Program(tmp_path, {"demo": {"m": {}, "other": {}}}, tree=tree, workers=workers) as program:
        program.write_config(DEMO)
        await program.logged("configuration applied")
        before = (await program.status())["generation"]
        load = Load(program.url.removesuffix("/api"))
        await load.enough_of(version_of(await request(program.url, "GET", "/ping")))
        pid = program.pid
        for number, version in enumerate(("8", "9")[: 3 - workers], 1):
            change(tree, version)
            os.kill(pid, signal.SIGUSR2)
            await load.enough_of(version)
            await program.logged("the new version serves", number)
            await wait_until(partial(is_gone, pid), LONG)
            pid = program.lines("the new version serves")[-1]["pid"]
        after = (await program.status())["generation"]
        code = await program.ended()
        await load.end()

    assert load.failures == []
    assert (code, before, after) == (0, 2, 2)
    assert {line["level"] for line in program.lines()} == {"INFO"}


@pytest.mark.timeout(seconds=120)
@pytest.mark.parametrize("workers", [1, 2])
async def test_one_that_fails_changes_nothing(workers: int, tree: Path, tmp_path: Path) -> None:
    """A new version that cannot be read, or that ends with a reason, is told in the log of the one that goes on, and in its
    words; what is then mended takes over."""
    package = tree / "llm_proxy" / "__init__.py"
    good = package.read_text()
    async with (
        Program(tmp_path, DEMO, tree=tree, workers=workers) as program,
        Connection(program.url) as kept,
    ):
        await kept.request("GET", "/ping")
        program.write_config("{")
        await program.logged("configuration rejected, the last good one goes on")
        program.signal(signal.SIGUSR2)
        (first,) = await program.logged(FAILED)
        program.write_config(DEMO)
        package.write_text("(")
        program.signal(signal.SIGUSR2)
        (_, second) = await program.logged(FAILED, 2)
        still = await kept.request("GET", "/ping")
        package.write_text(good)
        change(tree, "8")
        program.signal(signal.SIGUSR2)
        await program.logged("the new version serves")
        last = await kept.request("GET", "/ping")
        while "connection" not in last.headers:  # a worker hears of it a moment after its parent
            last = await kept.request("GET", "/ping")
        code = await program.ended()
        new = await request(program.url, "GET", "/ping")

    assert "models-config.json" in first["problem"]
    assert second["problem"] == "it has ended before it served"
    assert (still.body, "connection" in still.headers) == (b"pong", False)
    assert (last.body, last.headers["connection"]) == (b"pong", "close")
    assert (code, version_of(new)) == (0, "8")


@pytest.mark.timeout(seconds=120)
@pytest.mark.parametrize("workers", [1, 2])
async def test_what_was_promised_is_kept(workers: int, tmp_path: Path) -> None:
    """A stream that began before the change is finished by the version that began it; since its head kept the connection, the next
    request on it is answered too, and that answer closes it. A connection that nobody uses holds the old version for its idle time
    at most; a SIGTERM ends all of it."""
    gate = asyncio.Event()
    async with (
        Peer(held(gate)) as peer,
        Program(tmp_path, config(peer.url + "/v1"), workers=workers) as program,
        Connection(program.url) as client,
        Connection(program.url) as idle,
    ):
        await idle.request("GET", "/ping")
        await client.send("POST", "/chat", CHAT)
        head = await client.head()
        await client.piece(head)
        program.signal(signal.SIGUSR2)
        await wait_until(lambda: program.lines("the new version serves"), LONG)
        gate.set()
        streamed = await client.rest(head)
        after = await client.request("GET", "/livez")
        while "connection" not in after.headers:  # a worker hears of it a moment after its parent
            after = await client.request("GET", "/livez")
        end = await client.reader.read()
        alive = is_alive(program.pid)
        program.signal(signal.SIGTERM)
        code = await program.ended()
        new = await request(program.url, "GET", "/ping")

    assert (streamed.complete, streamed.events()[-1]) == (True, "[DONE]")
    assert (after.status, after.headers["connection"], end) == (200, "close", b"")
    assert (alive, code, new.body) == (True, 0, b"pong")


@pytest.mark.timeout(seconds=120)
async def test_a_page_that_looks_moves_over(tmp_path: Path) -> None:
    """The console's events are endless: they end with the change, also for a page that comes back on the connection that it has, and
    hold nobody up."""
    async with (
        Program(tmp_path, DEMO) as program,
        Connection(program.url.removesuffix("/api")) as page,
    ):
        await page.send("GET", "/console/events")
        head = await page.head()
        program.signal(signal.SIGUSR2)
        first = await page.rest(head)
        second = await page.request("GET", "/console/events")
        end = await page.reader.read()
        code = await program.ended()

    assert (first.status, first.complete, "connection" in first.headers) == (200, True, False)
    assert (second.complete, second.headers["connection"], end, code) == (True, "close", b"", 0)


@pytest.mark.timeout(seconds=120)
@pytest.mark.parametrize("workers", [1, 2])
async def test_a_service_manager_follows(
    workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told of a reload, by the old version which process is the main one now, and then by that one that it is ready; the old
    one says nothing more, the watchdog is fed by the new one, and a Unix socket is there all the time."""
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    file = tmp_path / "socket"
    with notified(monkeypatch, str(tmp_path / "notify")) as manager:
        async with Program(
            tmp_path, DEMO, workers=workers, host=f"127.0.0.1,unix:{file}", keepalive_timeout=1
        ) as program:
            await manager.wait("READY=1")
            program.signal(signal.SIGUSR2)
            await wait_until(lambda: manager.heard("") or program.process.poll() is not None, LONG)
            (told,) = program.lines("the new version serves")
            code = await program.ended()
            manager.heard("")
            named = manager.said.index(f"MAINPID={told['pid']}")
            await manager.wait("READY=1", 2)
            await wait_until(
                lambda: manager.heard("") or "WATCHDOG=1" in "".join(manager.said[named:]), PATIENCE
            )
            there = file.is_socket()
            os.kill(told["pid"], signal.SIGTERM)
            await wait_until(lambda: not file.exists(), PATIENCE)
            manager.heard("")

    before, after = manager.said[:named], manager.said[named + 1 :]
    assert (code, there) == (0, True)
    assert any(text.startswith("RELOADING=1\nMONOTONIC_USEC=") for text in before)
    assert next(text for text in after if "READY=1" in text).startswith("READY=1\nSTATUS=generation 1")
    assert [text.split("\n")[0] for text in after if "STOPPING" in text] == ["STOPPING=1"]


@pytest.mark.timeout(seconds=120)
@pytest.mark.parametrize("workers", [1, 2])
async def test_a_stop_ends_what_is_not_ready(workers: int, tree: Path, tmp_path: Path) -> None:
    """Who is told to stop while a new version starts ends that too; meanwhile a second order is told to be one too many."""
    here = tmp_path / "here"
    async with Program(tmp_path, DEMO, tree=tree, workers=workers) as program:
        package = tree / "llm_proxy" / "__init__.py"
        package.write_text(f"import pathlib, time\npathlib.Path({str(here)!r}).touch()\ntime.sleep(300)\n")
        program.signal(signal.SIGUSR2)
        (started,) = await program.logged("a new version is started")
        await wait_until(here.exists, PATIENCE)
        program.signal(signal.SIGUSR2)
        await program.logged("a new version is being started already")
        program.signal(signal.SIGTERM)
        code = await program.ended()
        await wait_until(lambda: not is_alive(started["pid"]), PATIENCE)

    assert code == 0


#: Takes a socket as systemd hands one over.
_TAKE = """
import os, sys
given = int(sys.argv[1])
if given != 3:
    os.dup2(given, 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.executable, [sys.executable, "-m", "llm_proxy.rest_api"])
"""


class Sharing(Program):
    """A program to which a socket is passed that others have, too."""

    shared: socket.socket

    async def __aenter__(self) -> Sharing:
        real, given = subprocess.Popen, self.shared.fileno()

        def start(command: list[str], **more: Any) -> Any:
            return real([sys.executable, "-c", _TAKE, str(given)], pass_fds=[given], **more)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(subprocess, "Popen", start)
            await super().__aenter__()
        return self


@pytest.mark.timeout(seconds=120)
async def test_two_services_share_a_socket(tree: Path, tmp_path: Path) -> None:
    """A second one is started beside the first on a socket that a service manager holds, and the first is stopped: with a lame-duck
    time no request is lost, on new connections or on kept ones that have heard that they end."""
    change(tree, "8")
    (tmp_path / "second").mkdir()
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        first = Sharing(tmp_path, DEMO, lame_duck_seconds=1)
        second = Sharing(tmp_path / "second", DEMO, tree=tree)
        first.shared = second.shared = listening
        async with first:
            load = Load(first.url.removesuffix("/api"), [kind for kind in KINDS if kind != (True, True)])
            await load.enough_of(version_of(await request(first.url, "GET", "/ping")))
            async with second:
                first.signal(signal.SIGTERM)
                code = await first.ended()
                await load.enough_of("8")
                await load.end()

    assert (load.failures, code) == ([], 0)


def test_how_it_is_started_again() -> None:
    """By its script, if a script prepares it; a console script by itself, so that its first line counts; else by the same Python."""
    python = sys.executable
    script = str(ROOT / "run-rest-api.sh")

    assert command_of({}, python, ["python", "-m", "a.b", "--x"], ["/p/a/b.py", "--x"]) == [
        python,
        "-m",
        "a.b",
        "--x",
    ]
    assert command_of({"LLM_PROXY_SCRIPT": script}, python, ["python", "-m", "a"], ["/a", "-x"]) == [
        script,
        "-x",
    ]
    assert command_of({}, python, ["python", script, "serve"], [script, "serve"]) == [script, "serve"]
    assert command_of({"LLM_PROXY_SCRIPT": "/gone"}, python, ["p", "/gone"], ["/gone"]) == [python, "/gone"]


def test_what_is_handed_over() -> None:
    """It is read as it was written; fields of a later version are passed over, and what makes no sense is an error."""
    given = Handover(3, (("main", 4), ("ollama", 5)), (SocketFile("/s", 1, 2),), "\0n", 3.0, (7, "ab"))
    text = given.text()

    assert Handover.read(text) == given
    assert Handover.read(text[:-1] + ', "later": 1}') == given
    for wrong in ("", "[]", "{}", '{"form": 2}', text.replace('"main", 4', '"main"')):
        with pytest.raises(ValueError, match=r"\w"):
            Handover.read(wrong)


def test_what_cannot_be_taken_ends_the_start() -> None:
    """In a sentence."""
    env = {"LLM_PROXY_HANDOVER": "{}", "LLM_PROXY_API_MINIMUM": "1", "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "llm_proxy.rest_api"]
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False
    )

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "LLM_PROXY_HANDOVER" in done.stderr
