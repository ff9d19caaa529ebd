"""What it costs that people look: ten open pages of the console while 200 streams run, beside the same load without them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from benchmarks.loads import Bench
from benchmarks.measure import Outcome, load
from benchmarks.processes import Target, gateway, upstream
from benchmarks.questions import question
from benchmarks.table import GATEWAY, Row

PAGES = 10
#: How often this is measured at most: half a minute each time.
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
        alone, watched = _both(bench)
        # For as many requests, in about the same time.
        cpu.add(GATEWAY, (watched.cpu - alone.cpu) / watched.seconds * 100, watched.bad)
        late.add(GATEWAY, (watched.whole["p99"] - alone.whole["p99"]) * 1e3)
    return [cpu, late]


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


def _both(bench: Bench) -> tuple[Outcome, Outcome]:
    """Without pages, and with them; the same gateway, which has served before."""
    with ExitStack() as stack:
        port = stack.enter_context(upstream("paced", bench.place))
        target: Target = stack.enter_context(gateway(bench.place, {"paced": port}))
        asked = question(bench.place, "paced", stream=True)
        load(target, asked, 200, 1, ramp=2.0)
        alone = load(target, asked, 200, bench.times(4), ramp=2.0)
        with looked_at(target.port):
            watched = load(target, asked, 200, bench.times(4), ramp=2.0)
    bench.forget_log()
    return alone, watched
