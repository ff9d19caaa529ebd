"""``--local``: a real llama.cpp in a child process that is served like any upstream, and ends with its parent."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_proxy.live.config.shipped import SHIPPED
from llm_proxy.service.local_model.packages import find
from llm_proxy.service.local_model.process import _CHILD
from tests.real.conftest import _missing, _model
from tests.support.client import request
from tests.support.llamacpp import CannotRun
from tests.support.local_model import write_package
from tests.support.loops import wait_until
from tests.support.program import Program, is_alive

PATIENCE = 60.0
ASK = {"model": "smollm2", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for PYTHONPATH in which the tiny model stands for the real one."""
    folder = tmp_path_factory.mktemp("local")
    try:
        import xllamacpp  # noqa: F401

        return write_package(folder / "packages", _model(folder, 1))
    except (ImportError, CannotRun) as error:
        _missing(CannotRun(str(error)))


@pytest.fixture
def there(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs that are started find it."""
    monkeypatch.setenv("PYTHONPATH", f"{package}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")


async def child_of(program: Program, count: int = 1) -> int:
    """The process of the model, once it is ready for the ``count``-th time."""
    ready = await _logged(program, "the local model is ready", count)
    pid: int = ready[-1]["pid"]
    return pid


async def _logged(program: Program, message: str, count: int = 1) -> list[dict[str, Any]]:
    await wait_until(lambda: len(program.lines(message)) >= count, PATIENCE)
    return program.lines(message)


async def answers(program: Program) -> None:
    """Wait until the model answers with its stream."""
    end = asyncio.get_running_loop().time() + PATIENCE
    while True:
        got = await request(program.url, "POST", "/chat", ASK)
        if got.status == 200 and b"w0003" in got.body:
            assert got.body.endswith(b"data: [DONE]\n\n")
            assert got.headers["x-llm-provider"].startswith("local")
            return
        assert asyncio.get_running_loop().time() < end, got
        await asyncio.sleep(0.1)


@pytest.mark.usefixtures("there")
@pytest.mark.timeout(seconds=120)
@pytest.mark.parametrize("end", ["SIGTERM", "SIGKILL"])
async def test_it_streams_beside_the_demo_and_ends_with_the_program(end: str, tmp_path: Path) -> None:
    """The model answers a streamed request on the program's own port, is told with a line to copy, listens on loopback in a
    process of its own, and is gone with the program, asked or killed."""
    async with Program(tmp_path, SHIPPED, local=1, discover=0) as program:
        child = await child_of(program)
        told = (await _logged(program, "try it"))[0]
        await answers(program)

        assert told["model"] == "smollm2"
        assert f"{program.url}/chat" in told["curl"]
        assert is_alive(child)
        program.signal(getattr(signal, end))
        await program.ended()
        await wait_until(lambda: not is_alive(child), PATIENCE)


@pytest.mark.usefixtures("there")
@pytest.mark.timeout(seconds=180)
async def test_workers_share_one_and_it_comes_back(tmp_path: Path) -> None:
    """Several workers serve the one model. Killed, it is started again; so it is when its worker is killed; and when the
    parent of all is killed it is gone with them."""
    async with Program(tmp_path, SHIPPED, local=1, discover=0, workers=2) as program:
        first = await child_of(program)
        await wait_until(lambda: len(program.lines("configuration applied")) == 2, PATIENCE)
        await answers(program)
        os.kill(first, signal.SIGKILL)
        second = await child_of(program, 2)
        await answers(program)
        owner = program.lines("the local model is ready")[-1]["process"]
        os.kill(owner, signal.SIGKILL)
        await wait_until(lambda: not is_alive(second), PATIENCE)
        third = await child_of(program, 3)
        await answers(program)
        os.kill(program.pid, signal.SIGKILL)
        await wait_until(lambda: not is_alive(third), PATIENCE)

    assert len({first, second, third}) == 3


@pytest.mark.usefixtures("there")
@pytest.mark.timeout(seconds=120)
async def test_beside_a_configuration_of_ones_own(tmp_path: Path) -> None:
    """The model is added for this run to whatever the file says, under another name where ``local`` is taken; edits of the
    file keep it, and the file is not touched."""
    own = {"local": {"defaults": {"api_type": "demo"}, "mine": {}}}
    async with Program(tmp_path, own, local=1) as program:
        await child_of(program)
        await answers(program)
        status = await program.status()
        program.write_config({"demo": {"other": {}}})
        await wait_until(lambda: len(program.lines("configuration applied")) == 2, PATIENCE)
        await answers(program)
        tags = await request(program.url, "GET", "/tags")

    assert status["models"] == 2
    assert {row["model"] for row in tags.json()["models"]} == {"other", "smollm2"}
    assert json.loads(program.config_file.read_text()) == {"demo": {"other": {}}}


def command(package: Path, parent: int) -> list[str]:
    """How the child is started."""
    found = find([*sys.path, str(package)])
    assert found is not None
    flags = ["--alias", "x", "--packages", str(found.packages), "--parent", str(parent), "--threads", "1"]
    return [sys.executable, "-I", str(_CHILD), str(found.model), *flags]


@pytest.fixture
def unread() -> Iterator[tuple[int, int]]:
    """A pipe that stays open at both ends."""
    pipe = os.pipe()
    yield pipe
    for end in pipe:
        os.close(end)


def test_the_pipe_alone_ends_it(package: Path) -> None:
    """Where the kernel does not kill it (its parent lives), the end of its standard input is enough."""
    with subprocess.Popen(
        command(package, os.getpid()), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        while not process.stdout.readline().startswith(b"READY"):
            assert process.poll() is None
        process.stdin.close()
        assert process.wait(PATIENCE) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills the children of a process that ends")
async def test_the_kernel_alone_ends_it(package: Path, unread: tuple[int, int]) -> None:
    """Where somebody else holds the pipe open, the kernel kills it when its parent is killed."""
    script = (
        "import os, subprocess, sys\n"
        "command = sys.argv[2:]\n"
        "command[command.index('--parent') + 1] = str(os.getpid())\n"
        "child = subprocess.Popen(command, stdin=int(sys.argv[1]), stdout=subprocess.PIPE)\n"
        "while not child.stdout.readline().startswith(b'READY'): pass\n"
        "print(child.pid, flush=True)\n"
        "child.wait()\n"
    )
    with subprocess.Popen(  # noqa: ASYNC220 (it returns at once)
        [sys.executable, "-c", script, str(unread[0]), *command(package, 0)],
        pass_fds=unread,
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_alive(child)
        parent.kill()
        await wait_until(lambda: not is_alive(child), PATIENCE)


def test_it_does_not_begin_without_its_parent(package: Path) -> None:
    """A child whose parent has ended before it looked ends at once."""
    done = subprocess.run(command(package, 1), stdin=subprocess.PIPE, capture_output=True, timeout=PATIENCE)

    assert done.returncode == 0
    assert b"READY" not in done.stdout
