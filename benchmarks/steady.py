"""A fixed rate, as agentgateway measures itself: 32 connections, 3,000 requests a second, a kilobyte each way, an upstream that
answers at once, nothing streamed (its blog, "Benchmarking Agentgateway vs LiteLLM Part 2", 2026-06-26).

Laws: a connection that is still busy when its next request is due sends it late, as fortio does; so who cannot keep the rate shows a
lower one, and that is said beside the percentiles.
"""

from __future__ import annotations

from benchmarks.loads import Bench, in_turns, targets
from benchmarks.measure import load
from benchmarks.questions import question
from benchmarks.table import OTHERS, Row

CONNECTIONS, RATE, SECONDS, BYTES = 32, 3000, 3, 1024


def steady(bench: Bench) -> list[Row]:
    """The rate that was reached, CPU, and three percentiles of the whole time of a request."""
    of = f"{CONNECTIONS} connections, {RATE:,} requests a second, 1 KB"
    reached = Row("steady.rate", f"{of}: reached", "1/s")
    cpu = Row("steady.cpu", f"{of}: CPU of a request", "us")
    times = {
        at: Row(f"steady.{at}", f"{of}: {word} of a request's time", "ms")
        for at, word in (("p50", "median"), ("p90", "90th percentile"), ("p99", "99th percentile"))
    }
    each = RATE * SECONDS // CONNECTIONS
    with targets(bench, "kilobyte", others=OTHERS) as found:
        asked = question(bench.place, "kilobyte", stream=False, size=BYTES)
        for target, outcome in in_turns(
            bench, found, lambda t: load(t, asked, CONNECTIONS, bench.times(each, t), rate=RATE)
        ):
            reached.add(target.name, outcome.requests / outcome.seconds, outcome.bad)
            for at, row in times.items():
                row.add(target.name, outcome.whole[at] * 1e3)
            if target.pid is not None:
                cpu.add(target.name, outcome.cpu / outcome.requests * 1e6)
    return [reached, *times.values(), cpu]
