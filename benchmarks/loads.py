"""What is asked of the gateway, of the peer and of the upstream itself: answers in one piece, and streams.

Laws: what is compared is measured in turns, run by run, so that whatever else the machine does meets all alike. Each
function takes the bench and gives rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.building import Missing
from benchmarks.measure import Outcome, load
from benchmarks.peers import peer
from benchmarks.processes import UPSTREAMS, Target, errors_logged, gateway, upstream
from benchmarks.questions import question
from benchmarks.table import DIRECT, GATEWAY, OTHERS, ROUTER, SMG, SYSTEM, Row

#: The gateway, asked for a model whose upstream speaks Ollama's dialect.
OLLAMA = "gateway, Ollama upstream"


@dataclass(frozen=True, slots=True)
class Bench:
    """Where to write, the peers' programs by their names, how often to measure, and how much: ``scale`` 1 is the full
    size. ``requests``: how many the memory must stay flat over. ``errors``: what the gateways logged as errors.
    ``remarks``: which peer could not be measured, and why."""

    place: Path
    peers: Mapping[str, Path] = field(default_factory=dict)
    runs: int = 5
    scale: float = 1.0
    requests: int = 100_000
    errors: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def router(self) -> Path | None:
        """vllm-router, the peer that stands beside everything."""
        return self.peers.get(ROUTER)

    def times(self, count: int, target: Target | None = None) -> int:
        """``count`` at this scale, at least 1; of a slow target only its share."""
        return max(1, round(count * self.scale * (1.0 if target is None else target.share)))

    def lacks(self, name: str, missing: Missing) -> None:
        """That peer does not serve: told once, without the whole of its log."""
        lines = [line.strip() for line in str(missing).splitlines() if line.strip()]
        text = f"{name} does not serve: {lines[0]} {lines[-1] if len(lines) > 1 else ''}".strip()
        if not any(one.startswith(f"{name} does not serve") for one in self.remarks):
            self.remarks.append(text)

    def forget_log(self) -> None:
        """Keep the errors that the gateway has logged, and nothing else of its log."""
        self.errors.extend(errors_logged(self.place))


@contextmanager
def targets(bench: Bench, kind: str, others: Sequence[str] = ()) -> Iterator[list[Target]]:
    """The gateway in front of an upstream of that kind, the router in front of it (and ``others`` too), and the upstream itself;
    each of them has answered before, so that nothing is measured for the first time."""
    with ExitStack() as stack:
        port = stack.enter_context(upstream(kind, bench.place))
        found = [stack.enter_context(gateway(bench.place, {kind: port}))]
        for name in (ROUTER, *others):
            if name in bench.peers:
                try:
                    found.append(stack.enter_context(peer(name, bench.place, bench.peers[name], kind, port)))
                except Missing as missing:
                    bench.lacks(name, missing)
        found.append(Target(DIRECT, port, "/v1/chat/completions", None))
        asked = question(bench.place, kind, stream=False)
        for target in found:
            load(target, asked, 16, bench.times(40, target))
        yield found
    bench.forget_log()


def in_turns(
    bench: Bench, found: list[Target], run: Callable[[Target], Outcome]
) -> Iterator[tuple[Target, Outcome]]:
    """Each target in turn, as often as there are runs; slow ones in the first two of them."""
    for number in range(bench.runs):
        for target in found:
            if target.share == 1.0 or number < 2:
                yield target, run(target)


def _cpu(row: Row, target: Target, outcome: Outcome, pieces: int = 1) -> None:
    """Microseconds of CPU for each of the ``pieces`` of a request."""
    if target.pid is not None:
        row.add(target.name, outcome.cpu / outcome.requests / pieces * 1e6, outcome.bad)


def answers(bench: Bench) -> list[Row]:
    """Requests that are answered in one piece: CPU and throughput."""
    cpu = Row("answer.cpu", "CPU of a request that is not streamed, 32 connections", "us")
    rate = Row("answer.rate", "requests a second, 32 connections", "1/s")
    with targets(bench, "fast", others=OTHERS) as found:
        asked = question(bench.place, "fast", stream=False)
        for target, outcome in in_turns(bench, found, lambda t: load(t, asked, 32, bench.times(300, t))):
            _cpu(cpu, target, outcome)
            rate.add(target.name, outcome.requests / outcome.seconds, outcome.bad)
    return [cpu, rate]


#: Those that start in a moment.
_QUICK = (SMG, SYSTEM)
#: How requests come: key, name, connections, requests on each, requests a second in all (0: as many as are answered).
_ARRIVALS = (
    ("1", "1 connection", 1, 1500, 0),
    ("100", "100 connections, 400 requests a second", 100, 12, 400),
    ("full", "100 connections, at full speed", 100, 60, 0),
)


def latency(bench: Bench) -> list[Row]:
    """What the gateway adds to the time of a request: with one connection, with a hundred that ask 400 times a second
    together, and with a hundred that ask as fast as they are answered (where it is the queue that takes the time). And
    its CPU, which a proxy that is full spreads over requests that have arrived together."""
    rows: list[Row] = []
    with targets(bench, "fast", others=_QUICK) as found:
        asked = question(bench.place, "fast", stream=False)
        for key, name, connections, count, rate in _ARRIVALS:
            cpu = Row(f"latency.{key}.cpu", f"CPU of a request, {name}", "us")
            times = {
                at: Row(f"latency.{key}.{at}", f"added latency, {word}, {name}", "ms", added=True)
                for at, word in (("p50", "median"), ("p99", "99th percentile"))
            }
            for target, outcome in in_turns(
                bench,
                found if connections == 1 else [t for t in found if t.name not in OTHERS],
                lambda t, c=connections, n=count, r=rate: load(t, asked, c, bench.times(n, t), rate=r),  # type: ignore[misc]
            ):
                for at, row in times.items():
                    row.add(target.name, outcome.whole[at] * 1e3, outcome.bad)
                _cpu(cpu, target, outcome)
            rows += [*times.values(), cpu]
    return rows


def bursts(bench: Bench) -> list[Row]:
    """Streams whose tokens come as fast as they can be read."""
    events = UPSTREAMS["fast"].events
    cpu = Row("burst.cpu", f"CPU of a stream of {events} events that come at once", "us")
    rate = Row("burst.rate", f"streams of {events} events a second, 32 connections", "1/s")
    with targets(bench, "fast", others=_QUICK) as found:
        asked = question(bench.place, "fast", stream=True)
        for target, outcome in in_turns(bench, found, lambda t: load(t, asked, 32, bench.times(40, t))):
            _cpu(cpu, target, outcome)
            rate.add(target.name, outcome.requests / outcome.seconds, outcome.bad)
    return [cpu, rate]


def tokens(bench: Bench) -> list[Row]:
    """200 streams of 100 tokens, 50 tokens a second each; through the gateway also from an upstream like Ollama."""
    cpu = Row("token.cpu", "CPU of a token, 200 streams of 50 tokens a second", "us")
    native = Row("ollama.cpu", "CPU of a token, the same from Ollama's NDJSON to OpenAI's events", "us")
    first = Row("token.first", "added time to the first token, median, 200 streams", "ms", added=True)
    count = UPSTREAMS["paced"].tokens
    with targets(bench, "paced", others=OTHERS) as found:
        ours, *others = found
        asked = question(bench.place, "paced", stream=True)
        translated = question(bench.place, "paced", stream=True, ollama=True)
        again = Target(OLLAMA, ours.port, ours.path, ours.pid)
        for target, outcome in in_turns(
            bench,
            [ours, again, *others],
            lambda t: load(t, translated if t is again else asked, 200, bench.times(2, t), ramp=2.0),
        ):
            if target is again:
                native.add(GATEWAY, outcome.cpu / outcome.requests / count * 1e6, outcome.bad)
            else:
                _cpu(cpu, target, outcome, count)
                first.add(target.name, outcome.first["p50"] * 1e3, outcome.bad)
    return [cpu, native, first]


def pace(bench: Bench) -> list[Row]:
    """Many streams of 2 s at once: does the last token come in time?"""
    rows = []
    with targets(bench, "paced") as found:
        asked = question(bench.place, "paced", stream=True)
        for streams in (1000, 1500):
            row = Row(f"pace.{streams}", f"a stream of 2 s, {streams:,} at once, 99th percentile", "s")
            share = Row(f"pace.{streams}.cpu", f"share of one core, {streams:,} streams at once", "%")
            for target, outcome in in_turns(
                bench,
                found,
                lambda t, n=streams: load(t, asked, n, bench.times(2), ramp=2.0),  # type: ignore[misc]
            ):
                row.add(target.name, outcome.whole["p99"], outcome.bad)
                if target.pid is not None:
                    share.add(target.name, outcome.cpu / outcome.seconds * 100, outcome.bad)
            rows += [row, share]
    return rows
