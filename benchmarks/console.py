"""What it costs that people look: ten open pages of the console while 200 streams run, by turns with the same load without them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from statistics import median

from benchmarks.loads import Bench
from benchmarks.measure import cpu_seconds, load
from benchmarks.processes import Target, gateway, upstream
from benchmarks.questions import Question, question
from benchmarks.table import GATEWAY, Row

PAGES = 10
#: Seconds that are compared, and until a page that has come or gone makes no difference.
_SPAN, _SETTLED = 2.0, 0.5
#: How often this is measured at most: a minute each time.
_RUNS = 3
_ASK = b"GET /console/events HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nSec-Fetch-Site: same-origin\r\n\r\n"


def console(bench: Bench) -> list[Row]:
    """CPU of a core, and by how much later a stream ends."""
    cpu = Row(
        "console.pages",
        f"{PAGES} open pages of the console, 200 streams of 50 tokens a second",
        "% of a core",
    )
    late = Row("console.late", "the same: how much later a stream ends, 99th percentile", "ms")
    for _ in range(min(bench.runs, _RUNS)):
        with ExitStack() as stack:
            port = stack.enter_context(upstream("paced", bench.place))
            target: Target = stack.enter_context(gateway(bench.place, {"paced": port}))
            asked = question(bench.place, "paced", stream=True)
            load(target, asked, 200, 1, ramp=2.0)
            cpu.add(GATEWAY, *_share(target, asked, bench.times(10)))
            alone, watched = (
                _whole(target, asked, bench.times(4), 0),
                _whole(target, asked, bench.times(4), PAGES),
            )
        bench.forget_log()
        late.add(GATEWAY, (watched - alone) * 1e3)
    return [cpu, late]


def _share(target: Target, asked: Question, times: int) -> tuple[float, int]:
    """What ten pages take while one load goes on: they come and go, and what each span with them takes is compared with the span before
    it, since a machine is not the same from one minute to the next. The median, in % of a core, and the bad answers."""
    found: list[float] = []
    with ThreadPoolExecutor(1) as beside:
        running = beside.submit(load, target, asked, 200, times, 2.0)
        time.sleep(2.0)  # until all have begun
        while not running.done():
            alone = _span(target)
            with looked_at(target.port):
                time.sleep(_SETTLED)
                watched = _span(target)
            time.sleep(_SETTLED)
            if not running.done():
                found.append(watched - alone)
        return median(found or [0.0]) * 100, running.result().bad


def _span(target: Target) -> float:
    """CPU seconds a second, now."""
    cpu, began = cpu_seconds(target.pid), time.perf_counter()
    time.sleep(_SPAN)
    return (cpu_seconds(target.pid) - cpu) / (time.perf_counter() - began)


def _whole(target: Target, asked: Question, times: int, pages: int) -> float:
    """Seconds until a stream has ended, 99th percentile, while so many pages look."""
    with looked_at(target.port, pages):
        return load(target, asked, 200, times, ramp=2.0).whole["p99"]


@contextmanager
def looked_at(port: int, pages: int = PAGES) -> Iterator[None]:
    """So many pages look, and read all that they are told."""
    with ExitStack() as stack:
        for _ in range(pages):
            page = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            page.sendall(_ASK % port)
            head = page.recv(65536)
            assert head.startswith(b"HTTP/1.1 200 "), head[:100]
            threading.Thread(target=_read, args=(page,), daemon=True).start()
            stack.callback(page.shutdown, socket.SHUT_RDWR)
        yield


def _read(page: socket.socket) -> None:
    try:
        while page.recv(1 << 16):
            pass
    except OSError:
        return
