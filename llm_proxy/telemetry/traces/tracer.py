"""The door of this package: which requests are recorded, and what becomes of their spans."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from random import getrandbits

from llm_proxy import __version__
from llm_proxy.telemetry.traces.attributes import Table
from llm_proxy.telemetry.traces.exporter import Exporter, Making
from llm_proxy.telemetry.traces.options import TraceOptions, read_options
from llm_proxy.wire.trace_context import TraceContext

log = logging.getLogger(__name__)


class Tracer:
    """One for each process. ``tables``: by which conventions calls are told."""

    def __init__(self, options: TraceOptions, tables: tuple[Table, ...]) -> None:
        self.options = options
        self.tables = tables
        self._exporter = Exporter(options, __version__, _tell)

    @classmethod
    def of(cls, env: Mapping[str, str], tables: tuple[Table, ...]) -> Tracer | None:
        """As the variables of the environment say; None if nothing is to be sent."""
        options, _ = read_options(env)
        return None if options is None else cls(options, tables)

    @property
    def dropped(self) -> int:
        """Spans that were lost."""
        return self._exporter.dropped

    def takes(self, trace: str, context: TraceContext | None) -> bool:
        """Whether a request is recorded."""
        return self.options.sampler.takes(trace, context)

    def put(self, making: Making, spans: int) -> None:
        """Send the spans that ``making`` makes, in another thread and some time."""
        self._exporter.put(making, spans)

    def stop(self) -> None:
        """Send what waits, but not for ever."""
        self._exporter.stop()


def span_id() -> str:
    """A new one."""
    return f"{getrandbits(64) or 1:016x}"


def _tell(problem: str) -> None:
    if problem:
        log.warning("traces are not taken", extra={"problem": problem})
    else:
        log.info("traces are taken again")
