"""Which port the service gets, and who holds the one that it does not get."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from llm_proxy.clients.http_server import StartError
from llm_proxy.net.port_holder import PortHolder, holder_of
from llm_proxy.service.port_choice import MORE, listen_on, listen_on_usual
from tests.support.program import Program

DEMO: dict[str, object] = {"demo": {"demo": {}}}
USUAL = 8080


@pytest.fixture
def taken() -> Iterator[int]:
    """A port of loopback on which this process listens."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        yield held.getsockname()[1]


def test_who_holds_it_is_named(taken: int) -> None:
    """A port that was asked for and is taken is an error that names the program, its process and the way out."""
    with pytest.raises(StartError) as caught:
        listen_on(["127.0.0.1"], taken, "port")

    text = str(caught.value)
    assert text.startswith(f"cannot listen on 127.0.0.1:{taken}: Address already in use by python")
    assert text.endswith(f"(pid {os.getpid()}); LLM_PROXY_API_PORT or --port names another port")


def test_the_next_one_is_taken_and_told(taken: int, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody asked for a port: the next free one serves, ports that others want are left out, and a warning says so."""
    with caplog.at_level("WARNING"):
        found = listen_on_usual(["127.0.0.1"], taken, others=(taken + 1, None))
    port = found[0].getsockname()[1]
    found[0].close()

    assert taken + 2 <= port <= taken + MORE
    (line,) = caplog.records
    assert line.__dict__["port"] == taken
    assert line.__dict__["listening"] == port
    assert f"(pid {os.getpid()})" in line.__dict__["holder"]


def test_a_free_one_is_not_told(taken: int, caplog: pytest.LogCaptureFixture) -> None:
    """The usual port that is free is taken without a word."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    listen_on_usual(["127.0.0.1"], port)[0].close()

    assert not caplog.records


def test_all_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """When none of them is free the sentence says which were tried."""
    monkeypatch.setattr("llm_proxy.service.port_choice.MORE", 1)
    with ExitStack() as stack:
        port = _two_in_a_row(stack)
        with pytest.raises(StartError, match=f"the ports {port} to {port + 1} are all taken"):
            listen_on_usual(["127.0.0.1"], port)


def _two_in_a_row(stack: ExitStack) -> int:
    for _ in range(50):
        with ExitStack() as attempt:
            first = attempt.enter_context(socket.create_server(("127.0.0.1", 0)))
            port: int = first.getsockname()[1]
            try:
                attempt.enter_context(socket.create_server(("127.0.0.1", port + 1)))
            except OSError:
                continue
            stack.push(attempt.pop_all())
            return port
    pytest.fail("no two ports in a row are free")


def test_a_script_is_named_and_no_argument() -> None:
    """Of an interpreter what it runs is told, and nothing of the arguments: they may hold secrets."""
    script = "import socket, sys; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", script, "sk-secret"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = holder_of(int(process.stdout.readline()))
        process.kill()

    assert found.pid == process.pid
    assert "secret" not in str(found)


def test_what_proc_does_not_tell(tmp_path: Path) -> None:
    """Another user's process is told by its user, what nobody knows as another program; nothing raises."""
    table = tmp_path / "self" / "net" / "tcp"
    table.parent.mkdir(parents=True)
    row = (
        "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0"
    )
    table.write_text(f"  sl  local_address\n{row}\n")

    assert str(holder_of(8080, tmp_path)) == "a program of the user root"
    assert str(holder_of(8081, tmp_path)) == "another program"
    assert holder_of(1, tmp_path / "nowhere") == PortHolder()


@pytest.mark.parametrize("workers", [1, 2])
async def test_the_program_goes_on(workers: int, tmp_path: Path) -> None:
    """Without a port in its settings the program listens on the next free one when 8080 is taken, and says both."""
    with ExitStack() as stack:
        try:
            stack.enter_context(socket.create_server(("127.0.0.1", USUAL)))
        except OSError:
            pass  # somebody else has it, which is as good
        async with Program(tmp_path, DEMO, port="", workers=workers) as program:
            (line,) = program.lines("the usual port is taken, another one is used")

    assert line["port"] == USUAL
    assert line["level"] == "WARNING"
    assert USUAL < line["listening"] <= USUAL + MORE
    assert program.url == f"http://127.0.0.1:{line['listening']}/api"
