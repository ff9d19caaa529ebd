"""Sends spans to a collector: OTLP over HTTP, as JSON, from a thread of its own.

Laws: ``put`` never blocks and never raises; what does not fit is dropped, and counted. A collector that is slow, refuses or
is away costs requests nothing: what waits is bounded, and it is asked again at growing intervals. The log has its own thread, which must not wait for a
collector. At the end what waits is sent, for two seconds at most. Nothing of the answers is kept.
"""

from __future__ import annotations

import gzip
import http.client
import json
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from llm_proxy.telemetry.traces.options import TraceOptions
from llm_proxy.telemetry.traces.span import Span, document

#: What is put in: made into spans in the thread.
Making = Callable[[], Sequence[Span]]

#: Seconds until a collector that failed is asked again: the first time, and at most.
_PAUSE, _LONGEST = 1.0, 30.0
#: How long the end may wait for it.
_PATIENCE = 2.0
#: Answers that mean: try again (opentelemetry.io/docs/specs/otlp, "Failures").
_AGAIN = frozenset({429, 502, 503, 504})
#: Bytes of an answer that are read.
_MOST = 64 * 1024


class Exporter:
    """``put`` from the event loop, ``stop`` at the end. The thread begins with the first span. ``problem`` is called with a
    sentence when the collector begins to fail, and with an empty one when it is well again."""

    def __init__(self, options: TraceOptions, version: str, problem: Callable[[str], None]) -> None:
        self._options = options
        self._version = version
        self._problem = problem
        #: Each with the number of spans that it makes.
        self._waiting: deque[tuple[Making, int]] = deque()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._failing = False
        self._until = float("inf")
        #: Spans that were lost, and those that were taken by the collector.
        self.dropped = self.sent = 0
        self._tls: ssl.SSLContext | None = None

    def put(self, making: Making, spans: int) -> None:
        """Send the ``spans`` that ``making`` makes, some time."""
        if len(self._waiting) >= self._options.queue:
            self.dropped += spans
            return
        self._waiting.append((making, spans))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="trace-exporter", daemon=True)
            self._thread.start()
        if len(self._waiting) >= self._options.batch:
            self._wake.set()

    def stop(self) -> None:
        """Send what waits, but not for ever."""
        if self._thread is not None:
            self._until = time.monotonic() + _PATIENCE
            self._stopping.set()
            self._wake.set()
            self._thread.join(_PATIENCE)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(self._options.delay)
            self._wake.clear()
            self._send_all()
        self._send_all()

    def _send_all(self) -> None:
        pause = _PAUSE
        while self._waiting:
            taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._options.batch))]
            spans = self._made(taken)
            while spans:
                wait = self._send(spans)
                if wait is None:
                    pause = _PAUSE
                    break
                if self._stopping.is_set() or self._stopping.wait(max(wait, pause)):
                    # Once more if there is time, and no more.
                    if time.monotonic() >= self._until or self._send(spans) is not None:
                        self.dropped += len(spans)
                        self._give_up()
                    break
                pause = min(_LONGEST, pause * 2)

    def _give_up(self) -> None:
        self.dropped += sum(count for _, count in self._waiting)
        self._waiting.clear()

    def _made(self, makings: Sequence[tuple[Making, int]]) -> list[Span]:
        spans: list[Span] = []
        for making, count in makings:
            try:
                spans += making()
            except Exception:  # noqa: BLE001 (one odd request must not cost the others their spans)
                self.dropped += count
        return spans

    def _send(self, spans: list[Span]) -> float | None:
        """None when that is done, one way or the other; else the seconds after which to try again."""
        try:
            body = document(spans, self._options.resource, self._version)
            status, answer, after = self._post(body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._told(f"the collector of traces cannot be reached: {type(error).__name__}")
            return 0.0
        if status in _AGAIN:
            self._told(f"the collector of traces answers with {status}")
            return after
        if 200 <= status < 300:
            rejected = _rejected(answer)
            self.dropped += min(rejected, len(spans))
            self.sent += max(0, len(spans) - rejected)
            self._told("")
        else:  # it will never take them
            self.dropped += len(spans)
            self._told(f"the collector of traces answers with {status}")
        return None

    def _post(self, body: bytes) -> tuple[int, bytes, float]:
        """Status, answer, and the seconds that it asks to wait."""
        options = self._options
        parts = urlsplit(options.endpoint)
        timeout = min(options.timeout, max(0.1, self._until - time.monotonic()))
        host = parts.hostname or ""
        if parts.scheme == "https":
            if self._tls is None:
                self._tls = ssl.create_default_context(cafile=options.ca)
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, parts.port, timeout=timeout, context=self._tls
            )
        else:
            connection = http.client.HTTPConnection(host, parts.port, timeout=timeout)
        headers = {name: value.reveal() for name, value in options.headers.items()}
        headers |= {"Content-Type": "application/json", "User-Agent": f"llm-proxy-api/{self._version}"}
        if options.gzip:
            body = gzip.compress(body, 6)
            headers["Content-Encoding"] = "gzip"
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request("POST", target, body, headers)
            answer = connection.getresponse()
            after = answer.getheader("Retry-After", "")
            wait = min(float(after), _LONGEST) if after.isascii() and after.isdigit() else 0.0
            return answer.status, answer.read(_MOST), wait
        finally:
            connection.close()

    def _told(self, problem: str) -> None:
        if bool(problem) != self._failing:
            self._failing = bool(problem)
            self._problem(problem)


def _rejected(answer: bytes) -> int:
    """How many spans a collector says that it has not taken (``ExportTracePartialSuccess``)."""
    try:
        return max(0, int(json.loads(answer)["partialSuccess"]["rejectedSpans"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return 0
