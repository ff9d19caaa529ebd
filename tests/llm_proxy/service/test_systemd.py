"""What a service manager and the program say to each other, on real sockets."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from llm_proxy.service.systemd import Given, Manager, read
from tests.support.client import request
from tests.support.loops import wait_until
from tests.support.program import PATIENCE, ROOT, Program

DEMO: dict[str, Any] = {"demo": {"demo": {}}}


@pytest.mark.parametrize(
    ("env", "given"),
    [
        ({}, Given()),
        ({"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "3000000"}, Given("/run/n", 3.0)),
        ({"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "7"}, Given("\0n", 1e-6)),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "8"}, Given()),
        ({"NOTIFY_SOCKET": "vsock:2:1", "WATCHDOG_USEC": "soon"}, Given()),
        (
            {"LISTEN_FDS": "2", "LISTEN_PID": "7", "LISTEN_FDNAMES": "a:ollama"},
            Given(None, None, ("a", "ollama")),
        ),
        ({"LISTEN_FDS": "1", "LISTEN_PID": "7"}, Given(None, None, ("unknown",))),
        ({"LISTEN_FDS": "x", "LISTEN_PID": "8"}, Given()),
        ({"LISTEN_FDS": "1"}, Given()),
        ({"LISTEN_FDS": "0", "LISTEN_PID": "7", "LISTEN_FDNAMES": ""}, Given()),
    ],
)
def test_what_the_variables_mean(env: dict[str, str], given: Given) -> None:
    """What is meant for this process, and nothing that is meant for another one."""
    assert read(env, 7) == given


@pytest.mark.parametrize(
    ("fds", "names", "problem"),
    [
        ("x", "", "must be a number"),
        ("-1", "", "must be a number"),
        ("9" * 5000, "", "must be"),
        ("2", "a", "1 names"),
    ],
)
def test_variables_that_nobody_understands(fds: str, names: str, problem: str) -> None:
    """One sentence."""
    with pytest.raises(ValueError, match=problem):
        read({"LISTEN_FDS": fds, "LISTEN_PID": "7", "LISTEN_FDNAMES": names}, 7)


def test_nobody_listens(tmp_path: Path) -> None:
    """What is told to a manager that is not there, or takes nothing, holds nobody up."""
    Manager(str(tmp_path / "gone")).tell("READY=1")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(tmp_path / "deaf"))
        for _ in range(2000):
            Manager(str(tmp_path / "deaf")).tell("WATCHDOG=1")


class Notified:
    """A NOTIFY_SOCKET of our own."""

    def __init__(self, address: str) -> None:
        self.said: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.setblocking(False)

    def heard(self, line: str, count: int = 1) -> bool:
        """Whether a message with that line has come so often."""
        while True:
            try:
                self.said.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return sum(line in text.split("\n") for text in self.said) >= count

    async def wait(self, line: str, count: int = 1) -> None:
        """Until it has."""
        await wait_until(lambda: self.heard(line, count), PATIENCE)

    def close(self) -> None:
        """Hear no more."""
        self._socket.close()


@contextmanager
def notified(monkeypatch: pytest.MonkeyPatch, address: str) -> Iterator[Notified]:
    """Tell programs that are started of it."""
    found = Notified(address.replace("@", "\0", 1))
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    try:
        yield found
    finally:
        found.close()


@pytest.mark.parametrize("workers", [1, 2])
async def test_the_life_of_a_service(workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ready when it serves, the watchdog fed, a reload told from its beginning to its end, what runs in words, and a stop
    that asks for its time; workers say nothing themselves."""
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    with notified(monkeypatch, f"@llm-proxy-{uuid.uuid4().hex}") as manager:
        async with Program(tmp_path, DEMO, workers=workers) as program:
            await manager.wait("READY=1")
            generation = (await program.status())["generation"]
            await manager.wait("WATCHDOG=1", 3)
            program.signal(signal.SIGHUP)
            await manager.wait("READY=1", 2)
            reloads = [text for text in manager.said if "RELOADING=1" in text]
            program.write_config({"demo": {"demo": {}, "other": {}}})
            await wait_until(
                lambda: (
                    manager.heard("") or any(f"generation {generation + 1}" in text for text in manager.said)
                ),
                PATIENCE,
            )
            program.write_config("{")
            await wait_until(
                lambda: manager.heard("") or any("have problems" in text for text in manager.said), PATIENCE
            )
            program.signal(signal.SIGTERM)
            code = await program.ended()
            manager.heard("")

    first = next(text for text in manager.said if "READY=1" in text)
    assert f"STATUS=generation {generation}" in first
    assert len(reloads) == 1
    assert reloads[0].split("\n")[1].startswith("MONOTONIC_USEC=")
    stops = [text for text in manager.said if "STOPPING=1" in text]
    assert len(stops) == 1
    assert any("EXTEND_TIMEOUT_USEC=15000000" in text for text in manager.said)
    assert code == 0


@pytest.mark.parametrize("workers", [1, 2])
async def test_no_watchdog_for_a_loop_that_hangs(
    workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the process, or one worker of several, turns no more, the watchdog hears nothing until it turns again."""
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    with notified(monkeypatch, str(tmp_path / "notify")) as manager:
        async with Program(tmp_path, DEMO, workers=workers) as program:
            await manager.wait("WATCHDOG=1", 2)
            hung = program.children()[0] if workers > 1 else program.pid
            os.kill(hung, signal.SIGSTOP)
            # The parent's patience with a silent worker is 3 seconds, after which nothing more may come.
            async with asyncio.timeout(PATIENCE):
                while True:
                    manager.heard("")
                    before = len(manager.said)
                    await asyncio.sleep(1.0)
                    if not manager.heard("WATCHDOG=1", before + 1) and len(manager.said) == before:
                        break
            os.kill(hung, signal.SIGCONT)
            await wait_until(lambda: manager.heard("") or len(manager.said) > before, PATIENCE)


#: Passes sockets as systemd does; its arguments: the names, and what to become.
_PASS = """
import os, socket, sys
names = sys.argv[1].split(":")
for number, name in enumerate(names, 3):
    given = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if name == "datagram" else socket.SOCK_STREAM)
    given.bind(("127.0.0.1", 0))
    if name not in ("datagram", "deaf"):
        given.listen()
    if given.fileno() != number:
        os.dup2(given.fileno(), number)
    os.set_inheritable(number, True)
    given.detach()
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(names)), LISTEN_FDNAMES=sys.argv[1])
os.execv(sys.executable, [sys.executable, "-m", "llm_proxy.rest_api"])
"""


class Activated(Program):
    """The program with sockets that were passed to it."""

    names = ""

    async def __aenter__(self) -> Activated:
        real, names = subprocess.Popen, self.names

        def start(command: list[str], **more: Any) -> Any:
            return real([sys.executable, "-c", _PASS, names], **more)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(subprocess, "Popen", start)
            await super().__aenter__()
        return self


@pytest.mark.parametrize("workers", [1, 2])
async def test_passed_sockets_are_served(workers: int, tmp_path: Path) -> None:
    """Instead of the host and port of the settings; the one of the name ``ollama`` is Ollama's; all workers take them,
    and no variable of the manager stays in the environment."""
    program = Activated(tmp_path, DEMO, workers=workers, port=1, host="192.0.2.1")
    program.names = "main:ollama"
    async with program:
        line = program.lines("listening")[0]
        status = await program.status()
        version = await request(line["ollama_url"], "GET", "/api/version")

    assert len(status["workers"]) == workers
    assert version.status == 200


@pytest.mark.parametrize("name", ["datagram", "deaf"])
async def test_what_is_passed_must_listen(name: str, tmp_path: Path) -> None:
    """Else one sentence names the descriptor, and nothing is served."""
    program = Activated(tmp_path, DEMO, expect="end")
    program.names = name
    async with program:
        code = await program.ended()

    assert code == 1
    assert len(program.plain()) == 1
    assert f"descriptor 3 ('{name}') is no listening stream socket" in program.plain()[0]


@pytest.mark.skipif(shutil.which("systemd-socket-activate") is None, reason="needs systemd-socket-activate")
async def test_systemds_own_tool(tmp_path: Path) -> None:
    """The first connection to the socket that systemd's tool holds starts the program and is served by it."""
    (tmp_path / "c.json").write_text(json.dumps(DEMO))
    (tmp_path / "prompts").mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given = {
        "MINIMUM": "1",
        "MODELS_CONFIG": str(tmp_path / "c.json"),
        "PROMPTS_DIR": str(tmp_path / "prompts"),
        "LOG_FORMAT": "json",
    }
    env = [f"--setenv=LLM_PROXY_API_{name}={value}" for name, value in given.items()]
    tool = [
        "systemd-socket-activate",
        "-l",
        f"127.0.0.1:{port}",
        *env,
        sys.executable,
        "-m",
        "llm_proxy.rest_api",
    ]
    with (tmp_path / "stderr").open("wb") as stderr:
        process = subprocess.Popen(tool, cwd=ROOT, stderr=stderr)  # noqa: ASYNC220
    try:
        await wait_until(lambda: b"Listening on" in (tmp_path / "stderr").read_bytes(), PATIENCE)
        async with asyncio.timeout(PATIENCE):
            answer = await request(f"http://127.0.0.1:{port}/api", "GET", "/ping")
        process.terminate()
        code = await asyncio.to_thread(process.wait, PATIENCE)
    finally:
        process.kill()
        process.wait()

    assert (answer.status, code) == (200, 0)
