"""The programs of the benchmark judge answers rightly, and what a process costs is what it says itself."""

import json
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks import building, loads, measure, processes
from benchmarks.building import Missing
from benchmarks.loads import Bench
from benchmarks.processes import UPSTREAMS, Kind, Target
from benchmarks.questions import Question, question
from benchmarks.table import DIRECT, GATEWAY
from tests.benchmarks.kit import CC, needs_compiler

pytestmark = pytest.mark.one_python("the benchmark is run by one Python, and is no part of the product")


@pytest.fixture
def direct(build: Path, tmp_path: Path) -> Iterator[Target]:
    """A fast upstream."""
    with processes.upstream("fast", tmp_path) as port:
        yield Target(DIRECT, port, "/v1/chat/completions", None)


@contextmanager
def answering(answer: bytes) -> Iterator[Target]:
    """A server that gives each connection the same bytes when it has asked for something, and closes it."""

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield Target("scripted", listener.getsockname()[1], "/", None)
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@needs_compiler
@pytest.mark.parametrize("name", ["load", "upstream"])
def test_programs_compile_without_a_warning(name: str, tmp_path: Path) -> None:
    """The compiler has nothing to say about the C programs."""
    source = building.HERE / f"{name}.c"
    done = subprocess.run(
        [str(CC), "-O2", "-Wall", "-Wextra", "-o", tmp_path / name, source],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (0, "") == (done.returncode, done.stderr)


@needs_compiler
@pytest.mark.parametrize("stream", [False, True])
def test_load_counts_good_answers(direct: Target, tmp_path: Path, stream: bool) -> None:
    """Every request to the upstream is answered well, whole and streamed."""
    outcome = measure.load(direct, question(tmp_path, "fast", stream=stream), 4, 5)

    assert (20, 0, 0.0) == (outcome.requests, outcome.bad, outcome.cpu)
    assert 0 < outcome.first["p50"] <= outcome.whole["p50"] <= outcome.whole["p99"] <= outcome.whole["max"]


@needs_compiler
def test_a_kilobyte_each_way(build: Path, tmp_path: Path) -> None:
    """The upstream's answer has the bytes that are asked for and is JSON still; so has the request."""
    asked = question(tmp_path, "kilobyte", stream=False, size=1024)
    with processes.upstream("kilobyte", tmp_path) as port:
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            url, asked.body.read_bytes()
        ) as answer:
            text = answer.read()

    assert (1024, 1024) == (len(asked.body.read_bytes()), len(text))
    assert "chat.completion" == json.loads(text)["object"]
    assert "user" == json.loads(asked.body.read_text())["messages"][-1]["role"]


@needs_compiler
def test_load_misses_a_token(direct: Target, tmp_path: Path) -> None:
    """A stream that ends with [DONE], but has an event less than there should be, is a bad answer."""
    asked = question(tmp_path, "fast", stream=True)

    assert 3 == measure.load(direct, Question(asked.body, asked.events + 1), 1, 3).bad


_STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@needs_compiler
@pytest.mark.parametrize(
    ("answer", "bad"),
    [
        (_STREAM + b"18\r\ndata: {}\n\ndata: [DONE]\n\n\r\n0\r\n\r\n", 0),
        (_STREAM + b"18\r\ndata: {}\n\ndata: [DONE]\n\n\r\n", 1),
        (_STREAM + b"14\r\ndata: {}\n\ndata: {}\n\n\r\n0\r\n\r\n", 1),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 1),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\n{}", 1),
        (b"", 1),
    ],
    ids=["good", "no last chunk", "no [DONE]", "no stream", "an error", "nothing"],
)
def test_load_judges_streams(build: Path, tmp_path: Path, answer: bytes, bad: int) -> None:
    """Whatever is not a complete stream with [DONE] as its end is counted."""
    asked = Question(question(tmp_path, "fast", stream=True).body, 2)
    with answering(answer) as target:
        outcome = measure.load(target, asked, 2, 1)

    assert (2, 2 * bad) == (outcome.requests, outcome.bad)


@needs_compiler
def test_load_on_nobody(build: Path, tmp_path: Path) -> None:
    """Where nobody listens all requests fail, and the load ends."""
    target = Target("nobody", processes.free_port(), "/", None)

    assert 6 == measure.load(target, question(tmp_path, "fast", stream=False), 2, 3).bad


@needs_compiler
def test_events_of_held_streams_are_counted(build: Path, tmp_path: Path) -> None:
    """While streams are held it can be asked how many events have come: all, from each of them."""
    asked = question(tmp_path, "paced", stream=True)
    with (
        processes.upstream(Kind(1_000_000, 1000), tmp_path) as port,
        measure.held(Target(DIRECT, port, "/", None), asked, 3, 0.0) as events,
    ):
        seen = [events()]
        while seen[-1] < 30:
            seen.append(events())

    assert seen == sorted(seen)
    assert 3 <= seen[0]


@needs_compiler
def test_held_streams(build: Path, tmp_path: Path) -> None:
    """Streams are held open while the block lasts; those that end by themselves are no figure."""
    asked = question(tmp_path, "idle", stream=True)
    with (
        processes.upstream("idle", tmp_path) as port,
        measure.held(Target(DIRECT, port, "/", None), asked, 5, 0.0),
    ):
        pass
    with (
        answering(_STREAM + b"0\r\n\r\n") as target,
        pytest.raises(Missing, match="could not be held open"),
        measure.held(target, asked, 1, 0.0),
    ):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="the clocks of other processes have other numbers there")
def test_cpu_time_of_a_process() -> None:
    """The CPU time of another process is what it says itself."""
    tell = "print(time.process_time(), flush=True);"
    code = f"import sys, time; {tell} sys.stdin.read(1); {tell} sys.stdin.read()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        first = float(process.stdout.readline())
        between = measure.cpu_seconds(process.pid)
        process.stdin.write("x")
        process.stdin.flush()
        last = float(process.stdout.readline())

        assert process.pid in measure.family(os.getpid())
        assert 0 < first <= between <= last
        assert 2**20 < measure.resident(process.pid) < 2**30
        process.stdin.close()


@needs_compiler
def test_gateway_under_load(build: Path, tmp_path: Path) -> None:
    """The gateway is started, measured beside the direct call, gives no bad answer and logs no error; Ollama's lines
    come out as as many events as OpenAI's."""
    bench = Bench(tmp_path, runs=1, scale=0.02)
    cpu, rate = loads.bursts(bench)
    with processes.upstream("fast", tmp_path) as port, processes.gateway(tmp_path, {"fast": port}) as target:
        native = measure.load(target, question(tmp_path, "fast", stream=True, ollama=True), 2, 3)

    assert {GATEWAY} == cpu.values.keys()
    assert {GATEWAY, DIRECT} == rate.values.keys()
    assert ({}, {}, []) == (cpu.bad, rate.bad, bench.errors)
    assert (6, 0) == (native.requests, native.bad)


def test_errors_of_the_log(tmp_path: Path) -> None:
    """Errors and tracebacks are found in the gateway's log, which is empty then; a path with the word is none."""
    lines = ['{"level": "INFO", "path": "/ERROR"}', '{"level": "ERROR", "message": "a"}', "Traceback (most"]
    processes.gateway_log(tmp_path).write_text("\n".join(lines))

    assert [f"{lines[1]}\n", lines[2]] == processes.errors_logged(tmp_path)
    assert [] == processes.errors_logged(tmp_path)


def test_upstreams_keep_their_promise() -> None:
    """The paced upstream sends fifty tokens a second for two seconds, as the targets say."""
    paced = UPSTREAMS["paced"]

    assert (1_000_000 / 50, 2.0) == (paced.gap, paced.tokens * paced.gap / 1e6)
