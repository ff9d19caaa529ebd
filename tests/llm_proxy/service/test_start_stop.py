"""How the program starts, what it says when it cannot, and how it stops."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_proxy import rest_api
from llm_proxy.__main__ import main
from llm_proxy.settings import Settings, environment
from tests.support.client import Connection
from tests.support.loops import wait_until
from tests.support.peer import Peer
from tests.support.program import PATIENCE, ROOT, Program
from tests.support.scripts import sse, stream

CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "up"}
WORDS = [
    {**CHUNK, "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]}
    for word in ("one", " two")
]
STOP = {**CHUNK, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def config(url: str = "http://127.0.0.1:9/v1", **models: Any) -> dict[str, Any]:
    """The model ``m`` at an OpenAI-dialect upstream."""
    defaults = {"api_type": "openai", "api_host": url, "api_token": "k"}
    return {"peer": {"defaults": defaults, "m": {"model": "up"}, **models}}


def held(gate: asyncio.Event) -> Any:
    """A stream that says a word, waits for ``gate``, and ends well."""
    first, second, *rest = sse(*WORDS, STOP)
    return stream(first, gate, second, *rest)


@pytest.mark.parametrize(
    ("number", "workers", "processes"),
    [(signal.SIGTERM, 1, 1), (signal.SIGINT, 1, 1), (signal.SIGINT, 0, len(os.sched_getaffinity(0)))],
)
async def test_one_line_at_start_and_at_stop(
    number: signal.Signals, workers: int, processes: int, tmp_path: Path
) -> None:
    """Port 0 picks a port and the start line names it; a stop signal ends it with status 0 and one line, however many
    processes there are (0: one for each core)."""
    async with Program(tmp_path, config(), module=("llm_proxy", "serve"), workers=workers) as program:
        answer = await program.status()
        program.signal(number)
        status = await program.ended()

    assert (len(answer["workers"]), status) == (processes, 0)
    assert [line["message"] for line in program.lines() if line["message"] != "request"] == [
        "listening",
        "stopping",
        "stopped",
    ]
    assert program.plain() == []


def a_busy_port(settings: dict[str, Any], held: list[socket.socket]) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    held.append(taken)
    settings["port"] = taken.getsockname()[1]


def a_directory_as_log(settings: dict[str, Any], held: list[socket.socket]) -> None:
    settings["log_filename"] = settings["prompts_dir"]


def no_file(settings: dict[str, Any], held: list[socket.socket]) -> None:
    settings["models_config"] = "/nowhere/models-config.json"


def a_directory_as_file(settings: dict[str, Any], held: list[socket.socket]) -> None:
    settings["models_config"] = settings["prompts_dir"]


def no_prompts(settings: dict[str, Any], held: list[socket.socket]) -> None:
    settings["prompts_dir"] = "/nowhere/prompts"


def two_faults(settings: dict[str, Any], held: list[socket.socket]) -> None:
    faulty = config(a={"weight": "heavy"}, b={"colour": 1})
    Path(settings["models_config"]).write_text(json.dumps(faulty))


def setting(name: str, value: Any) -> Callable[[dict[str, Any], list[socket.socket]], None]:
    return lambda settings, held: settings.update({name: value})


Fault = Callable[[dict[str, Any], list[socket.socket]], None]
FAULTS: dict[str, tuple[Fault, int, list[str]]] = {
    "no acknowledgement": (setting("minimum", ""), 2, ["set LLM_PROXY_API_MINIMUM=1"]),
    "malformed setting": (setting("port", "http"), 2, ["LLM_PROXY_API_PORT: is not a whole number"]),
    "log file": (a_directory_as_log, 2, ["LLM_PROXY_API_LOG_FILENAME: Is a directory"]),
    "no configuration": (no_file, 1, ["No such file"]),
    "unreadable configuration": (a_directory_as_file, 1, ["is not a regular file"]),
    "bad configuration": (two_faults, 1, ["peer.a.weight", "peer.b.colour"]),
    "no prompts": (no_prompts, 1, ["/nowhere/prompts"]),
    "busy port": (a_busy_port, 1, ["cannot listen on 127.0.0.1:"]),
    "a device as configuration": (setting("models_config", "/dev/zero"), 1, ["is not a regular file"]),
    "a file as prompts": (setting("prompts_dir", __file__), 1, ["not a directory"]),
    "a name too long as log": (setting("log_filename", "/tmp/" + "a" * 5000), 2, ["File name too long"]),
    "no such host": (setting("host", "no.such.host.invalid"), 1, ["cannot listen on no.such.host.invalid:"]),
    "no host name": (setting("host", "a..b"), 1, ["cannot listen on a..b:"]),
    "a host name too long": (setting("host", "a" * 300), 1, ["cannot listen on aaaa"]),
    "another's address": (setting("host", "192.0.2.1"), 1, ["cannot listen on 192.0.2.1:"]),
}


#: What a shell may do to a process before it begins, and what the start says of it; None: it serves.
SURROUNDINGS = {
    "too few descriptors": ("ulimit -n 12", "open files are too few"),
    "a directory that is gone": ("mkdir gone && cd gone && rmdir ../gone", None),
    "no standard streams": ("exec <&- >&-", None),
    "nobody hears it": ("exec 2>&-", None),
    "a garbage locale": ("export LC_ALL=xx_YY.garbage PYTHONIOENCODING=ascii", None),
    "no home, no path": ("unset HOME PATH", None),
}


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
@pytest.mark.parametrize("name", SURROUNDINGS)
async def test_odd_surroundings(name: str, tmp_path: Path) -> None:
    """Whatever the shell did before, the process serves, or says in one sentence why it cannot; never a traceback."""
    before, wanted = SURROUNDINGS[name]
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    (tmp_path / "c.json").write_text(json.dumps({"demo": {"demo": {}}}))
    (tmp_path / "prompts").mkdir()
    env = {
        **{key: value for key, value in os.environ.items() if not key.startswith("LLM_PROXY")},
        "LLM_PROXY_API_MINIMUM": "1",
        "LLM_PROXY_API_PORT": str(port),
        "LLM_PROXY_API_MODELS_CONFIG": str(tmp_path / "c.json"),
        "LLM_PROXY_API_PROMPTS_DIR": str(tmp_path / "prompts"),
        "LLM_PROXY_API_LOG_FORMAT": "json",
        "PYTHONPATH": str(ROOT),
    }
    script = f"{before}; exec {shlex.quote(sys.executable)} -P -m llm_proxy.rest_api"
    with (tmp_path / "stderr").open("wb") as stderr:
        process = subprocess.Popen(["/bin/bash", "-c", script], cwd=tmp_path, env=env, stderr=stderr)  # noqa: ASYNC220
    try:
        if wanted is None:
            await wait_until(lambda: answers(port) or process.poll() is not None, PATIENCE)
            process.terminate()
        code = await asyncio.to_thread(process.wait, PATIENCE)
    finally:
        process.kill()
        process.wait()

    said = (tmp_path / "stderr").read_text()
    assert "Traceback" not in said
    assert code == (0 if wanted is None else 1), said
    if wanted is not None:
        assert [line for line in said.splitlines() if wanted in line] == said.splitlines()


def answers(port: int) -> bool:
    """Whether somebody serves there: listening alone comes before signals are heard."""
    with socket.socket() as client:
        client.settimeout(2)
        try:
            client.connect(("127.0.0.1", port))
            client.sendall(b"GET /api/ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return client.recv(12) == b"HTTP/1.1 200"
        except OSError:
            return False


@pytest.mark.parametrize(
    ("name", "workers"), [*((name, 1) for name in FAULTS), ("bad configuration", 2), ("busy port", 2)]
)
async def test_what_cannot_start_says_why(name: str, workers: int, tmp_path: Path) -> None:
    """Each fault is one clear line for each problem, and its exit status; no traceback, no log, nothing is served."""
    spoil, status, wanted = FAULTS[name]
    program = Program(tmp_path, config(), expect="end", workers=workers)
    taken: list[socket.socket] = []
    spoil(program.settings, taken)
    async with program:
        code = await program.ended()
    for one in taken:
        one.close()

    assert code == status
    assert program.lines() == []
    assert len(program.plain()) == len(wanted)
    for line, text in zip(program.plain(), wanted, strict=True):
        assert line.startswith("llm-proxy: ")
        assert text in line


@pytest.mark.parametrize(("variable", "meant"), [(None, True), ("1", True), ("", False), ("0", False)])
def test_who_types_serve_means_it(variable: str | None, meant: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """``llm-proxy serve`` with a configuration needs no variable, as the script does not; one that says no is heeded."""
    monkeypatch.delenv("LLM_PROXY_API_MINIMUM", raising=False)
    if variable is not None:
        monkeypatch.setenv("LLM_PROXY_API_MINIMUM", variable)
    flags: dict[str, str] = {}

    def run(given: dict[str, str]) -> int:
        flags.update(given)
        return 0

    monkeypatch.setattr(rest_api, "run", run)
    assert main(["serve", "--port", "0"]) == 0
    assert Settings.read(environment(), flags).minimum == meant


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_drain(workers: int, tmp_path: Path) -> None:
    """While it drains: new connections are refused, open ones get 503 and are closed, /ping says 503 and /status says
    draining; a stream that ends in time is whole, a longer one ends with an error event and a cut; the status is 0."""
    soon, never = asyncio.Event(), asyncio.Event()
    gates = [soon, never]

    async def script(exchange: Any) -> None:
        await held(gates[json.loads(exchange.request.body)["seed"]])(exchange)

    async with (
        Peer(script) as peer,
        Program(tmp_path, config(peer.url + "/v1"), drain_seconds=2, workers=workers) as program,
        Connection(program.url) as short,
        Connection(program.url) as long,
        Connection(program.url) as idle,
        Connection(program.url) as pinging,
        Connection(program.url) as asking,
    ):
        await short.send("POST", "/chat", {**CHAT, "seed": 0})
        await long.send("POST", "/chat", {**CHAT, "seed": 1})
        heads = [await short.head(), await long.head()]
        for connection in (idle, pinging, asking):
            await connection.request("GET", "/ping")
        program.signal(signal.SIGTERM)
        await program.logged("stopping")
        await wait_until(lambda: refuses(program.url))
        refused = await idle.request("POST", "/chat", CHAT)
        ping = await pinging.request("GET", "/ping")
        status = (await asking.request("GET", "/status")).json()
        soon.set()
        whole, cut = await asyncio.gather(short.rest(heads[0]), long.rest(heads[1]))
        code = await program.ended()

    assert (refused.status, refused.json()["error"]["code"], refused.headers["connection"]) == (
        503,
        "draining",
        "close",
    )
    assert (ping.status, ping.body) == (503, b"draining")
    assert status["draining"] is True
    assert status["workers"][0]["draining"] is True
    assert whole.complete
    assert (whole.text(), whole.events()[-1]) == ("one two", "[DONE]")
    assert not cut.complete
    assert cut.events()[-1]["error"]["code"] == "draining"
    assert "connection" not in whole.headers
    assert code == 0


def refuses(url: str) -> bool:
    """Whether nobody listens there any more."""
    host, port = url.removeprefix("http://").partition("/")[0].split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) != 0


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_second_signal_means_at_once(workers: int, tmp_path: Path) -> None:
    """It does not wait for the drain limit, and what still runs is told and cut."""
    gate = asyncio.Event()
    async with (
        Peer(held(gate)) as peer,
        Program(tmp_path, config(peer.url + "/v1"), drain_seconds=600, workers=workers) as program,
        Connection(program.url) as client,
    ):
        await client.send("POST", "/chat", CHAT)
        head = await client.head()
        program.signal(signal.SIGTERM)
        await program.logged("stopping")
        await wait_until(lambda: refuses(program.url))
        program.signal(signal.SIGTERM)
        answer = await client.rest(head)
        code = await program.ended()

    assert not answer.complete
    assert answer.events()[-1]["error"]["code"] == "draining"
    assert code == 0


@pytest.mark.parametrize("workers", [1, 2])
async def test_sighup_reads_the_files_again(workers: int, tmp_path: Path) -> None:
    """Every process looks at the files at once."""
    async with Program(tmp_path, config(), workers=workers) as program:
        program.signal(signal.SIGHUP)
        lines = await program.logged("configuration unchanged", workers)

    assert len(lines) == workers
