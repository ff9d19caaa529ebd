"""Every metric: its name, its kind, its labels, and what it is for. The one table; ``docs/telemetry.md`` is held to it.

Laws: pure. A family is known by its place in ``FAMILIES``, which stands in shared memory while the processes of one
service run. ``otel`` names are those of the GenAI conventions in Prometheus' spelling
(github.com/open-telemetry/semantic-conventions-genai, docs/gen-ai/gen-ai-metrics.md; opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics), which are still in development.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from llm_proxy.telemetry.metrics import ladders
from llm_proxy.telemetry.metrics.ladders import Ladder

Kind = Literal["counter", "gauge", "histogram", "info"]
Names = Literal["llm_proxy", "otel"]

#: What precedes all names of our own.
OURS = "llm_proxy_"


@dataclass(frozen=True, slots=True, eq=False)  # there is one of each, and requests look them up
class Family:
    """``name`` is without the ``_total`` of a counter. ``only``: told under these names alone, empty under both.
    ``exemplars``: whether its buckets name a trace. ``inside``: told by ``/status`` and not by ``/metrics``."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    ladder: Ladder | None = None
    otel: str = ""
    only: Names | None = None
    exemplars: bool = False
    inside: bool = False
    #: Set once by ``_numbered``.
    number: int = -1

    def told_as(self, names: Names) -> str:
        """The name under ``names``."""
        return self.otel if names == "otel" and self.otel else self.name

    @property
    def slots(self) -> int:
        """Numbers that one series needs: when it was last used, then the value; of a histogram the sum, a count for each
        fine bucket, and four numbers for each exemplar."""
        if self.ladder is None:
            return 2
        buckets = len(self.ladder.fine) + 1
        return 2 + buckets + (4 * (len(self.ladder.bounds) + 1) if self.exemplars else 0)

    @property
    def lines(self) -> int:
        """Lines that one series takes on the page."""
        return 1 if self.ladder is None else len(self.ladder.bounds) + 3


#: What the labels are called under the names of the conventions.
OTEL_LABELS = {
    "model": "gen_ai_request_model",
    "provider": "gen_ai_provider_name",
    "type": "gen_ai_token_type",
}

_SERVED = ("model", "provider")


def _histogram(
    name: str,
    ladder: Ladder,
    text: str,
    labels: tuple[str, ...] = (),
    otel: str = "",
    exemplars: bool = False,
) -> Family:
    return Family(OURS + name, "histogram", text, labels, ladder, otel, exemplars=exemplars)


def _counter(name: str, text: str, *labels: str, only: Names | None = None) -> Family:
    return Family(OURS + name, "counter", text, labels, only=only)


def _gauge(name: str, text: str, *labels: str) -> Family:
    return Family(OURS + name, "gauge", text, labels)


REQUESTS = _counter(
    "requests", "Requests that named a model or a provider, by what became of them.", "face", *_SERVED, "code"
)
REQUEST_SECONDS = _histogram(
    "request_seconds", ladders.REQUEST, "From the head of the request to the end of the answer.", _SERVED,
    "gen_ai_server_request_duration_seconds", exemplars=True,
)  # fmt: skip
FIRST_TOKEN_SECONDS = _histogram(
    "first_token_seconds", ladders.FIRST_TOKEN, "Until the first token of a streamed answer.", _SERVED,
    "gen_ai_server_time_to_first_token_seconds", exemplars=True,
)  # fmt: skip
TOKEN_SECONDS = _histogram(
    "token_seconds", ladders.TOKEN, "Between two tokens of a streamed answer, on average over each answer.", _SERVED,
    "gen_ai_server_time_per_output_token_seconds",
)  # fmt: skip
OVERHEAD_SECONDS = _histogram(
    "overhead_seconds", ladders.OWN, "The gateway's own work on a request.", ("face",)
)
TOKENS = _counter(
    "tokens", "Tokens as the upstreams count them: cached ones are part of input, reasoning of output.", *_SERVED, "type",
    only="llm_proxy",
)  # fmt: skip
TOKEN_USAGE = Family(
    OURS + "token_usage", "histogram", "Tokens of a request as the upstream counts them.", (*_SERVED, "type"),
    ladders.TOKENS, "gen_ai_client_token_usage", only="otel",
)  # fmt: skip
COST = _counter("cost_usd", "What answers have cost, in US dollars.", "model", "team")
OPEN_STREAMS = _gauge("open_streams", "Streamed answers that run.")
RUNNING = _gauge("requests_running", "Requests that an upstream works on.")
CONNECTIONS = _gauge("client_connections", "Connections of clients.")
ATTEMPTS = _counter("upstream_attempts", "Calls of upstreams, by what became of them.", "provider", "outcome")
UPSTREAM_STATE = _gauge(
    "upstream_state", "1 for the state that an upstream is in.", "provider", "model", "state"
)
IN_FLIGHT = _gauge("upstream_in_flight", "Calls that an upstream works on.", "provider", "model")
QUEUE_LENGTH = _gauge("queue_length", "Requests that wait for an upstream of the model.", "model")
QUEUE_SECONDS = _histogram(
    "queue_seconds", ladders.WAIT, "How long requests waited for an upstream of the model.", ("model",)
)
REFUSALS = _counter("limit_refusals", "Requests refused by a limit or a budget.", "team", "kind")
BUDGET = _gauge("budget_used_ratio", "The share of a budget that is used.", "budget")
GENERATION = _gauge("config_generation", "The number of the configuration that runs.")
REJECTED = _gauge("config_rejected", "1 while the files on disk have problems and are not what runs.")
INFO = Family(OURS + "config_info", "info", "The hash of the configuration that runs.", ("hash",))
LOOP_LAG = _histogram("loop_lag_seconds", ladders.LAG, "How late the event loop is for its timers.")
LOG_DROPPED = _counter("log_dropped", "Lines of the log that were lost.")
SERIES_DROPPED = _counter("series_dropped", "Series that were left out because there are too many.")
SPANS_DROPPED = _counter("trace_spans_dropped", "Spans that were lost on the way to the collector.")
CPU = Family("process_cpu_seconds", "counter", "CPU time of all processes.")
RESIDENT = Family("process_resident_memory_bytes", "gauge", "Resident memory of all processes.")
VIRTUAL = Family("process_virtual_memory_bytes", "gauge", "Virtual memory of all processes.")
OPEN_FDS = Family("process_open_fds", "gauge", "Open file descriptors of all processes.")
MAX_FDS = Family("process_max_fds", "gauge", "How many file descriptors all processes may have.")
STARTED = Family("process_start_time_seconds", "gauge", "When the service began, in seconds since 1970.")
#: Not on the page.
CONNECT_SECONDS = Family(
    OURS + "connect_seconds",
    "histogram",
    "Until a connection to the upstream stood.",
    (),
    ladders.WAIT,
    inside=True,
)


def _numbered(*families: Family) -> tuple[Family, ...]:
    for number, family in enumerate(families):
        object.__setattr__(family, "number", number)  # frozen from here on
    return families


#: All of them, in the order of the page.
FAMILIES = _numbered(
    *(REQUESTS, REQUEST_SECONDS, FIRST_TOKEN_SECONDS, TOKEN_SECONDS, OVERHEAD_SECONDS, TOKENS, TOKEN_USAGE, COST),
    *(OPEN_STREAMS, RUNNING, CONNECTIONS, ATTEMPTS, UPSTREAM_STATE, IN_FLIGHT, QUEUE_LENGTH, QUEUE_SECONDS),
    *(REFUSALS, BUDGET, GENERATION, REJECTED, INFO, LOOP_LAG, LOG_DROPPED, SERIES_DROPPED, SPANS_DROPPED),
    *(CPU, RESIDENT, VIRTUAL, OPEN_FDS, MAX_FDS, STARTED, CONNECT_SECONDS),
)  # fmt: skip

LAST_FAMILY = len(FAMILIES) - 1


def labelled(family: Family, *values: str) -> str:
    """The labels of a series as they stand on the page, under our own names."""
    return ",".join(f'{name}="{escaped(value)}"' for name, value in zip(family.labels, values, strict=True))


def escaped(value: str) -> str:
    """``value`` between quotation marks of the page; what no UTF-8 can say is replaced."""
    if value.isascii() and value.isprintable() and '"' not in value and "\\" not in value:
        return value
    value = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return value.encode("utf-8", "replace").decode()
