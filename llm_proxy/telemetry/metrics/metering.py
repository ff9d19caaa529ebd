"""The door of this package: what a process counts, and what it tells of all processes.

Laws: ``meter`` is for the event loop; ``page`` and ``inside`` take long where there are many series, and are for any thread.
Whoever has numbers of his own that are the same in all processes appends to ``sources`` what tells them, in that thread;
numbers that are added up over the processes are set by ``meter.set``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from llm_proxy.telemetry.metrics.families import STARTED, Names, escaped
from llm_proxy.telemetry.metrics.inside import inside
from llm_proxy.telemetry.metrics.measured import Speed, speed_of
from llm_proxy.telemetry.metrics.merged import Told, Totals, merged
from llm_proxy.telemetry.metrics.meter import Meter, gone
from llm_proxy.telemetry.metrics.page import page
from llm_proxy.telemetry.metrics.shared_values import Key, SharedValues

#: Numbers of sheets that are read and added up in less than a millisecond.
_SHORT = 10_000
#: Series that are looked at in one go for whether they are old.
_SOME = 200

Source = Callable[[], Iterable[Told]]


class Metering:
    """One process's, in that row of ``sheets``. ``keep``: seconds for which series of removed models stay."""

    def __init__(
        self,
        sheets: SharedValues | None = None,
        row: int = 0,
        *,
        names: Names = "llm_proxy",
        keep: float = 600.0,
    ) -> None:
        self.sheets = sheets or SharedValues(1, 1000)
        self.meter = Meter(self.sheets.rows[row], otel=names == "otel")
        self.names = names
        self.keep = keep
        self.sources: list[Source] = []
        self._unseen: list[Key] = []

    @property
    def is_short(self) -> bool:
        """Whether the page is made in a moment."""
        return sum(sheet.size for sheet in self.sheets.rows) <= _SHORT

    def page(self, models: Iterable[str], alive: Collection[int], *, openmetrics: bool) -> bytes:
        """What Prometheus reads. ``models``: those that are configured; ``alive``: the processes that are there."""
        totals = self._totals(models, alive, [told for source in self.sources for told in source()])
        return page(totals, self.names, self.sheets.lines, openmetrics=openmetrics)

    def inside(self, models: Iterable[str]) -> Mapping[str, Any]:
        """Where the time goes, in percentiles."""
        return inside(self._totals(models, (), ()))

    def speeds(self, models: Iterable[str]) -> Callable[[str, str], Speed]:
        """How fast a model (by its label) was at a provider."""
        totals = self._totals(models, (), ())
        return lambda model, provider: speed_of(totals, model, provider)

    def forget(self, models: Iterable[str]) -> None:
        """Make room: look at some more series, and drop those that are told no more. Called once in a while, since it takes
        many turns to see all of them."""
        if not self._unseen:
            self._unseen = self.meter.keys()
        some, self._unseen = self._unseen[:_SOME], self._unseen[_SOME:]
        self.meter.forget(some, gone(set(map(escaped, models))), time.monotonic() - self.keep - 1)

    def _totals(self, models: Iterable[str], alive: Collection[int], told: Iterable[Told]) -> Totals:
        is_gone, before = gone(set(map(escaped, models))), time.monotonic() - self.keep
        started = (STARTED, "", self.sheets.started)
        return merged(
            self.sheets, alive, lambda labels, used: used < before and is_gone(labels), [*told, started]
        )
