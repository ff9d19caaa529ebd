"""What it costs that the gateway tells of itself: counting a request, a page with 5,000 lines, and all of it together."""

from __future__ import annotations

import asyncio
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import thread_time_ns

from benchmarks.loads import Bench
from benchmarks.measure import load
from benchmarks.processes import Target, gateway, upstream
from benchmarks.questions import question
from benchmarks.table import GATEWAY, Row
from llm_proxy.relay.offload import Offload
from llm_proxy.telemetry.metrics.metering import Metering
from llm_proxy.telemetry.metrics.shared_values import SharedValues

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
USAGE = {"prompt_tokens": 10, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 3}}
_TURNS = 20_000
_TRIES = 7


def telemetry(bench: Bench) -> list[Row]:
    """A row for each."""
    counted = Row("telemetry.request", "counting a streamed request with its tokens", "us of CPU")
    held = Row("telemetry.scrape", "the loop held by a scrape of 5,000 lines", "ms")
    whole = Row("telemetry.all", "more CPU of a request, scraped each second and traces of 10 %", "%")
    for _ in range(bench.runs):
        counted.add(GATEWAY, _counted(bench.times(_TURNS)))
        # The least of some: what else the machine does holds the loop too.
        held.add(GATEWAY, min(asyncio.run(_held()) for _ in range(_TRIES)))
        plain, all_of_it = _both(bench)
        whole.add(GATEWAY, (all_of_it / plain - 1) * 100)
    return [counted, held, whole]


def _count(metering: Metering, model: str) -> None:
    now = time.perf_counter()
    served = metering.meter.request("openai", model, "p", 200, now, 1.5, TRACE)
    metering.meter.streamed(served, 0.2, 0.03, now, TRACE)
    metering.meter.attempt("p", "ok")
    metering.meter.connect.observe(0.0001, now)
    metering.meter.overhead("openai", 0.0003, now)
    metering.meter.tokens(served, USAGE, now)


def _counted(turns: int) -> float:
    """Microseconds for each request."""
    metering = Metering(SharedValues())
    _count(metering, "m")
    began = thread_time_ns()
    for _ in range(turns):
        _count(metering, "m")
    return (thread_time_ns() - began) / turns / 1e3


async def _held() -> float:
    """The longest time between two turns of a loop that is idle otherwise, in milliseconds, while a page is made beside it."""
    metering, offload = Metering(SharedValues()), Offload()
    models = [f"m{number}" for number in range(80)]
    for model in models:
        _count(metering, model)
    longest, done = 0.0, False

    async def turn() -> None:
        nonlocal longest
        last = time.perf_counter()
        while not done:
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now

    turning = asyncio.create_task(turn())
    page = await offload.run(
        metering, 1 << 20, lambda: metering.page(models, (), openmetrics=True), paid=True
    )
    done = True
    await turning
    offload.close()
    assert page.count(b"\n") > 4900
    return longest * 1000


class _Collector(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def collector() -> Iterator[str]:
    """A collector that takes everything; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Collector)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def traces_to(address: str) -> dict[str, str]:
    """The environment of a gateway that sends a tenth of its traces there."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": address,
        "OTEL_TRACES_SAMPLER": "traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0.1",
    }


@contextmanager
def scraped(port: int, key: str = "") -> Iterator[None]:
    """The metrics there are asked for once a second, with that key."""
    end = threading.Event()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    asked = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers=headers)

    def scrape() -> None:
        while not end.wait(1.0):
            urllib.request.urlopen(asked, timeout=10).read()

    thread = threading.Thread(target=scrape, daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def _both(bench: Bench) -> tuple[float, float]:
    """CPU seconds of a request, without and with; in turns."""
    asked = question(bench.place, "fast", stream=False)
    sums = [0.0, 0.0]
    with ExitStack() as stack:
        port = stack.enter_context(upstream("fast", bench.place))
        traced = traces_to(stack.enter_context(collector()))
        found: list[Target] = [
            stack.enter_context(gateway(bench.place, {"fast": port}, more)) for more in ({}, traced)
        ]
        stack.enter_context(scraped(found[1].port))
        for target in found:
            load(target, asked, 16, bench.times(40))
        for _ in range(4):
            for at, target in enumerate(found):
                outcome = load(target, asked, 32, bench.times(100))
                sums[at] += outcome.cpu / outcome.requests
    bench.forget_log()
    return sums[0], sums[1]
