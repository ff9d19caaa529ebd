"""Counts and times requests: called once at the end of each, never for a token.

Laws: nothing here raises or waits; a request costs a look-up by its labels and a search for each time that was measured.
Labels are what the caller hands in, who takes them from the configuration. Everything is called on the event loop.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from llm_proxy.telemetry.metrics import families as f
from llm_proxy.telemetry.metrics.families import Family, labelled
from llm_proxy.telemetry.metrics.shared_values import EXEMPLAR, Key, ProcessValues, Writer

#: Seconds until a bucket's exemplar gives way to a newer one.
_FRESH = 1.0
#: What an upstream can mean by a number of tokens.
_MOST_TOKENS = 1 << 40


class Histogram:
    """One series of times or sizes."""

    __slots__ = ("_at", "_bucket", "_due", "_exemplars", "_fine", "_first", "_page", "_values")

    def __init__(self, writer: Writer, family: Family, at: int) -> None:
        assert family.ladder is not None
        ladder = family.ladder
        self._values, self._page = writer.values, writer.sheet._page
        self._at, self._first = at, at + 2
        self._fine, self._bucket = ladder.fine, ladder.bucket
        self._exemplars = 8 * (at + 2 + len(ladder.fine) + 1)
        #: When each bucket may have another exemplar.
        self._due = [0.0] * (len(ladder.bounds) + 1) if family.exemplars else []

    def observe(self, value: float, now: float) -> None:
        """Add ``value``."""
        values, at = self._values, self._at
        values[at] = now
        values[at + 1] += value
        values[self._first + bisect_left(self._fine, value)] += 1.0

    def observe_traced(self, value: float, now: float, trace: str) -> None:
        """The same, of the trace with that id."""
        values, at = self._values, self._at
        values[at] = now
        values[at + 1] += value
        fine = bisect_left(self._fine, value)
        values[self._first + fine] += 1.0
        if now >= self._due[bucket := self._bucket[fine]]:
            self._exemplify(bucket, value, now, trace)

    def _exemplify(self, bucket: int, value: float, now: float, trace: str) -> None:
        self._due[bucket] = now + _FRESH
        place = self._exemplars + EXEMPLAR.size * bucket
        EXEMPLAR.pack_into(self._page, place, bytes.fromhex(trace), value, time.time())


class _Nothing:
    """A histogram for which there is no room."""

    def observe(self, value: float, now: float) -> None:
        pass

    def observe_traced(self, value: float, now: float, trace: str) -> None:
        pass


_NOTHING = _Nothing()


class _Served:
    """The series of one model at one provider, each made when it is needed."""

    __slots__ = ("first", "input", "labels", "output", "seconds", "token", "tokens")

    def __init__(self, model: str, provider: str) -> None:
        self.labels = (model, provider)
        self.seconds: Histogram | _Nothing | None = None
        self.first: Histogram | _Nothing | None = None
        self.token: Histogram | _Nothing | None = None
        #: For each type, where its counter lies, or (under the names of the conventions) its histogram.
        self.tokens: dict[str, Any] = {}
        #: The two counters of nearly every answer, once they lie somewhere.
        self.input = self.output = 0


class Meter:
    """One process's. ``otel``: whether tokens are told as the GenAI conventions do."""

    def __init__(self, sheet: ProcessValues, *, otel: bool = False) -> None:
        self._writer = Writer(sheet, os.getpid())
        self._values = sheet.values
        self._otel = otel
        #: Where each counter lies, and the rest of what such a request is counted in.
        self._requests: dict[tuple[str, str, str, int], tuple[int | None, _Served]] = {}
        self._served: dict[tuple[str, str], _Served] = {}
        self._own: dict[str, Histogram | _Nothing] = {}
        self._attempts: dict[tuple[str, str], int | None] = {}
        #: By the number of the family, since a family itself takes long to look up.
        self._others: dict[tuple[int, tuple[str, ...]], Any] = {}
        #: What counters of the process itself stood at when it took the sheet over.
        self._bases: dict[Family, float] = {}
        self.lag = self._histogram(f.LOOP_LAG)
        self.connect = self._histogram(f.CONNECT_SECONDS)

    def request(
        self, face: str, model: str, provider: str, code: int, now: float, seconds: float, trace: str
    ) -> _Served:
        """A request has ended. ``now`` is monotonic, in seconds."""
        key = (face, model, provider, code)
        try:
            at, served = self._requests[key]
        except KeyError:
            at, served = self._requests[key] = self._of_requests(key)
        if at is not None:
            values = self._values
            values[at] = now
            values[at + 1] += 1.0
        (served.seconds or self._seconds_of(served)).observe_traced(seconds, now, trace)
        return served

    def _seconds_of(self, served: _Served) -> Histogram | _Nothing:
        times = served.seconds = self._histogram(f.REQUEST_SECONDS, *served.labels)
        return times

    def streamed(self, served: _Served, first: float, token: float | None, now: float, trace: str) -> None:
        """Its answer was a stream: seconds to the first token, and between two of them."""
        times = served.first
        if times is None:
            times = served.first = self._histogram(f.FIRST_TOKEN_SECONDS, *served.labels)
        times.observe_traced(first, now, trace)
        if token is not None:
            times = served.token
            if times is None:
                times = served.token = self._histogram(f.TOKEN_SECONDS, *served.labels)
            times.observe(token, now)

    def overhead(self, face: str, seconds: float, now: float) -> None:
        """The gateway's own time for it."""
        times = self._own.get(face)
        if times is None:
            times = self._own[face] = self._histogram(f.OVERHEAD_SECONDS, face)
        times.observe(seconds, now)

    def tokens(self, served: _Served, usage: Mapping[str, Any], now: float) -> None:
        """What its upstream has counted, in the canonical form."""
        values, get = self._values, usage.get
        count, at = get("prompt_tokens"), served.input
        if at and type(count) is int and 0 <= count <= _MOST_TOKENS:
            values[at] = now
            values[at + 1] += count
        else:
            self._count(served, "input", count, now)
        count, at = get("completion_tokens"), served.output
        if at and type(count) is int and 0 <= count <= _MOST_TOKENS:
            values[at] = now
            values[at + 1] += count
        else:
            self._count(served, "output", count, now)
        # Nothing changes a counter that is there; a histogram would count it.
        known: Collection[str] = () if self._otel else served.tokens
        details = get("prompt_tokens_details")
        if details and type(details) is dict:
            count = details.get("cached_tokens")
            if count or "cached" not in known:
                self._count(served, "cached", count, now)
        details = get("completion_tokens_details")
        if details and type(details) is dict:
            count = details.get("reasoning_tokens")
            if count or "reasoning" not in known:
                self._count(served, "reasoning", count, now)

    def _count(self, served: _Served, kind: str, count: Any, now: float) -> None:
        if type(count) is not int or not 0 <= count <= _MOST_TOKENS:
            return
        try:
            at = served.tokens[kind]
        except KeyError:
            labels = (*served.labels, kind)
            at = self._histogram(f.TOKEN_USAGE, *labels) if self._otel else self._place(f.TOKENS, *labels)
            served.tokens[kind] = at
            if at is not None and not self._otel and kind in ("input", "output"):
                setattr(served, kind, at)
        if self._otel:
            at.observe(count, now)
        elif at is not None:
            values = self._values
            values[at] = now
            values[at + 1] += count

    def attempt(self, provider: str, outcome: str) -> None:
        """A call of ``provider`` is over."""
        try:
            at = self._attempts[provider, outcome]
        except KeyError:
            at = self._attempts[provider, outcome] = self._place(f.ATTEMPTS, provider, outcome)
        if at is not None:
            self._values[at + 1] += 1.0

    def cost(self, micro_usd: int, model: str, team: str, now: float) -> None:
        """What an answer has cost, of a request with a key."""
        at = self._other(f.COST, (model, team))
        if at is not None:
            values = self._values
            values[at] = now
            values[at + 1] += micro_usd / 1e6

    def add(self, family: Family, amount: float, *labels: str) -> None:
        """Add to a counter that is not of every request."""
        at = self._other(family, labels)
        if at is not None:
            self._values[at] = time.monotonic()
            self._values[at + 1] += amount

    def observe(self, family: Family, value: float, *labels: str) -> None:
        """The same for a histogram."""
        key = (family.number, labels)
        times = self._others.get(key)
        if times is None:
            times = self._others[key] = self._histogram(family, *labels)
        times.observe(value, time.monotonic())

    def set(self, family: Family, value: float, *labels: str) -> None:
        """What a gauge of this process stands at; those of all processes are added up."""
        at = self._other(family, labels)
        if at is not None:
            self._values[at] = time.monotonic()
            self._values[at + 1] = value

    def advance(self, family: Family, value: float) -> None:
        """What a counter of this process stands at, which began with nothing when the process did."""
        at = self._other(family, ())
        if at is not None:
            base = self._bases.setdefault(family, self._values[at + 1])
            self._values[at + 1] = base + value

    def keys(self) -> list[Key]:
        """All series."""
        return self._writer.keys()

    def forget(self, keys: Iterable[Key], is_gone: Callable[[str], bool], before: float) -> None:
        """Forget those of ``keys`` that are of models that are gone, and were last used before that."""
        if self._writer.forget(keys, lambda labels, used: used < before and is_gone(labels)):
            self._requests.clear()
            self._served.clear()
            self._others.clear()

    def _other(self, family: Family, labels: tuple[str, ...]) -> int | None:
        key = (family.number, labels)
        try:
            found: int | None = self._others[key]
        except KeyError:
            found = self._others[key] = self._place(family, *labels)
        return found

    def _place(self, family: Family, *labels: str) -> int | None:
        return self._writer.place(family, labelled(family, *labels))

    def _of_requests(self, key: tuple[str, str, str, int]) -> tuple[int | None, _Served]:
        face, model, provider, code = key
        at = self._place(f.REQUESTS, face, model, provider, str(code))
        if at is None:
            others = labelled(f.REQUESTS, face, "other", provider, str(code))
            at = self._writer.place(f.REQUESTS, others, spare=True)
        served = self._served.get((model, provider))
        if served is None:
            served = self._served[model, provider] = _Served(model, provider)
        return at, served

    def _histogram(self, family: Family, *labels: str) -> Histogram | _Nothing:
        at = self._place(family, *labels)
        return _NOTHING if at is None else Histogram(self._writer, family, at)


def gone(known: Collection[str]) -> Callable[[str], bool]:
    """Whether labels name a model that is none of ``known`` (names as ``families.escaped`` writes them)."""

    def is_gone(labels: str) -> bool:
        if not labels.startswith('model="') and ',model="' not in labels:
            return False
        name = model_of(labels)
        return name not in known and name not in ("", "unknown", "other")

    return is_gone


def model_of(labels: str) -> str:
    """The model that labels name, as it is written there."""
    first = labels.find('model="') + len('model="')
    end = labels.find('"', first)
    while labels[end - 1] == "\\" and (end - len(labels[:end].rstrip("\\"))) % 2:
        end = labels.find('"', end + 1)
    return labels[first:end]
