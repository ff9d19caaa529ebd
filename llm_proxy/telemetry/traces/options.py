"""Where traces go, as the standard variables of OpenTelemetry say.

Source: opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables and .../protocol/exporter. Laws: pure;
nothing is sent unless an address is given; what cannot be understood is a sentence, and counts as not given. Headers may hold
a key: no sentence and no repr has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from llm_proxy.telemetry.traces.sampling import ALWAYS, Sampler
from llm_proxy.wire.calls import NOTHING, Secret

_OTLP = "OTEL_EXPORTER_OTLP_"
#: Where traces stand below an address for all signals.
_PATH = "/v1/traces"


@dataclass(frozen=True, slots=True)
class TraceOptions:
    """``timeout`` and ``delay`` in seconds. ``resource``: what is told of this service."""

    endpoint: str
    headers: Mapping[str, Secret] = field(default_factory=lambda: NOTHING, repr=False)
    timeout: float = 10.0
    gzip: bool = False
    ca: str | None = None
    resource: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    sampler: Sampler = ALWAYS
    delay: float = 5.0
    queue: int = 2048
    batch: int = 512
    #: Whether texts of prompts and answers are told.
    content: bool = False


def read_options(env: Mapping[str, str]) -> tuple[TraceOptions | None, list[str]]:
    """The options, None if nothing is to be sent, and what is wrong with the variables."""
    reader = _Reader(env)
    return reader.read(), reader.problems


class _Reader:
    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self.problems: list[str] = []

    def read(self) -> TraceOptions | None:
        get = self._env.get
        endpoint = self._endpoint()
        exporters = get("OTEL_TRACES_EXPORTER", "otlp").strip().lower()
        if endpoint is None or get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or exporters == "none":
            return None
        protocol = self._of("PROTOCOL") or "http/json"
        if not protocol.startswith("http/"):
            self.problems.append(
                f"{_OTLP}PROTOCOL: OTLP is spoken over HTTP here, as JSON, and not by {protocol[:20]}"
            )
        resource = {"service.name": "llm-proxy"} | self._pairs(
            "OTEL_RESOURCE_ATTRIBUTES", get("OTEL_RESOURCE_ATTRIBUTES", "")
        )
        if name := get("OTEL_SERVICE_NAME", "").strip():
            resource["service.name"] = name
        headers = self._pairs(f"{_OTLP}HEADERS", self._of("HEADERS"))
        queue = int(self._number("OTEL_BSP_MAX_QUEUE_SIZE", 2048, 1, 1_000_000))
        return TraceOptions(
            endpoint,
            {name: Secret(value) for name, value in headers.items()},
            self._number(
                f"{_OTLP}TRACES_TIMEOUT" if self._env.get(f"{_OTLP}TRACES_TIMEOUT") else f"{_OTLP}TIMEOUT",
                10_000,
                1,
                3_600_000,
            )
            / 1000,
            self._of("COMPRESSION").lower() == "gzip",
            self._of("CERTIFICATE") or None,
            resource,
            self._sampler(),
            self._number("OTEL_BSP_SCHEDULE_DELAY", 5000, 1, 3_600_000) / 1000,
            queue,
            min(queue, int(self._number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512, 1, 100_000))),
            get("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "").strip().lower() == "true",
        )

    def _of(self, name: str) -> str:
        """A variable for traces, else the one for all signals."""
        return (self._env.get(f"{_OTLP}TRACES_{name}") or self._env.get(_OTLP + name) or "").strip()

    def _endpoint(self) -> str | None:
        own = self._env.get(f"{_OTLP}TRACES_ENDPOINT", "").strip()
        common = self._env.get(f"{_OTLP}ENDPOINT", "").strip()
        given = own or (common.rstrip("/") + _PATH if common else "")
        if not given:
            return None
        try:
            parts = urlsplit(given)
            sound = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            sound = False
        if not sound:
            self.problems.append(
                f"{_OTLP}{'TRACES_' if own else ''}ENDPOINT: is no http or https URL; no traces are sent"
            )
            return None
        return given

    def _pairs(self, name: str, text: str) -> dict[str, str]:
        found = {}
        for number, item in enumerate(filter(None, map(str.strip, text.split(","))), 1):
            key, equals, value = item.partition("=")
            key, value = key.strip(), unquote(value.strip())
            if not equals or not key or not (key + value).isprintable():
                self.problems.append(f"{name}: item {number} is not name=value")
            else:
                found[key] = value
        return found

    def _number(self, name: str, default: float, least: float, most: float) -> float:
        text = self._env.get(name, "").strip()
        if not text:
            return default
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if least <= value <= most:
            return value
        self.problems.append(f"{name}: must be a number from {least:g} to {most:g}; {default:g} is taken")
        return default

    def _sampler(self) -> Sampler:
        name = self._env.get("OTEL_TRACES_SAMPLER", "").strip().lower() or "parentbased_always_on"
        root = name.removeprefix("parentbased_")
        if root not in ("always_on", "always_off", "traceidratio"):
            self.problems.append(
                "OTEL_TRACES_SAMPLER: is none of the standard samplers; parentbased_always_on is taken"
            )
            return ALWAYS
        ratio = {"always_on": 1.0, "always_off": 0.0}.get(root)
        if ratio is None:
            ratio = self._number("OTEL_TRACES_SAMPLER_ARG", 1.0, 0.0, 1.0)
        return Sampler(ratio, name != root)
