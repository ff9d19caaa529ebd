"""How busy model servers say that they are: where each kind tells it, and what its answer means.

Laws: pure; of a page of metrics only the lines with these names are read, whatever else stands there; what cannot be read says
nothing. The names are those of the servers' own sources: vLLM (``vllm/v1/metrics/loggers.py``), SGLang
(``srt/metrics/collector.py``), llama.cpp (``tools/server``, ``/metrics`` only with ``--metrics``); Ollama tells
no queue, only which models are loaded (``/api/ps``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from math import isfinite
from typing import NamedTuple

from llm_proxy.routing.prefill import kind_of
from llm_proxy.wire.calls import Deployment


class Signal(NamedTuple):
    """``waiting`` requests in its queue; ``warm``: whether the model is loaded; ``counter``: of tokens or requests since it
    began, so that one that goes backwards tells of a restart."""

    waiting: float = 0.0
    warm: bool | None = None
    counter: float | None = None


class Source(NamedTuple):
    """An address that tells, and what reads it."""

    url: str
    read: Callable[[bytes, str], Signal | None]


_WAITING = (
    "vllm:num_requests_waiting",
    "sglang:num_queue_reqs",
    "llamacpp:requests_deferred",
)
_COUNTERS = ("vllm:prompt_tokens_total", "sglang:prompt_tokens_total", "llamacpp:prompt_tokens_total")  # fmt: skip
#: Ollama adds it to a name that has none.
_LATEST = ":latest"


def sources(deployment: Deployment) -> tuple[Source, ...]:
    """Where this upstream may tell how busy it is, best first; nowhere, if servers of its kind do not, or
    nobody has said of what kind it is."""
    if deployment.load == "none":
        return ()
    root = deployment.api_host.rstrip("/").removesuffix("/v1")
    metrics = Source(root + "/metrics", read_metrics)
    match kind_of(deployment):
        case "vllm" | "sglang":
            return (metrics,)
        case "llamacpp":
            return metrics, Source(root + "/slots", read_slots)
        case "ollama":
            return (Source(root + "/api/ps", read_loaded),)
    return ()


def read_metrics(page: bytes, model: str) -> Signal | None:
    """vLLM, SGLang or llama.cpp: all engines of a server together."""
    waiting = _sum(page, _WAITING)
    if waiting is None:
        return None
    return Signal(waiting, None, _sum(page, _COUNTERS))


def read_slots(page: bytes, model: str) -> Signal | None:
    """llama.cpp without ``--metrics``: whether its slots are busy; what waits for one is not told, so a server with no
    free slot counts as one that has a request waiting."""
    slots = _json(page)
    if not isinstance(slots, list) or not slots or not all(isinstance(slot, dict) for slot in slots):
        return None
    return Signal(1.0 if all(slot.get("is_processing") is True for slot in slots) else 0.0)


def read_loaded(page: bytes, model: str) -> Signal | None:
    """Ollama: whether the model is in memory."""
    said = _json(page)
    models = said.get("models") if isinstance(said, dict) else None
    if not isinstance(models, list):
        return None
    names = {_full(row.get(field)) for row in models if isinstance(row, dict) for field in ("name", "model")}
    return Signal(warm=_full(model) in names)


def _full(name: object) -> str:
    if not isinstance(name, str):
        return ""
    return name if ":" in name.rpartition("/")[2] else name + _LATEST


def _sum(page: bytes, names: tuple[str, ...]) -> float | None:
    """The values of the first of these names that is there, added up; None if there is none."""
    for name in names:
        values = [value for value in _values(page, name.encode()) if isfinite(value) and value >= 0.0]
        if values:
            return sum(values)
    return None


def _values(page: bytes, name: bytes) -> Iterator[float]:
    """The values of a metric in the text format of Prometheus, whatever its labels. ``find`` passes over the rest of a page,
    which is long with vLLM, at the speed of memory."""
    at = page.find(name)
    while at >= 0:
        end = page.find(b"\n", at)
        end = len(page) if end < 0 else end
        rest = page[at + len(name) : end]
        if (at == 0 or page[at - 1] == 0x0A) and rest[:1] in (b"{", b" ", b"\t"):
            words = rest.rpartition(b"}")[2].split()
            try:
                yield float(words[0])
            except (ValueError, IndexError):
                pass
        at = page.find(name, end)


def _json(page: bytes) -> object:
    try:
        return json.loads(page)
    except (ValueError, RecursionError):
        return None
