"""A span as a value, and many of them as OTLP writes them in JSON.

Source: github.com/open-telemetry/opentelemetry-proto, trace.proto, and opentelemetry.io/docs/specs/otlp, "JSON Protobuf
Encoding": ids in hexadecimal digits, 64-bit numbers as texts. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Value = str | bool | int | float | tuple[str, ...]

SERVER, CLIENT = 2, 3
_ERROR = 2


@dataclass(frozen=True, slots=True)
class Span:
    """``begun`` and ``ended`` are nanoseconds since 1970. ``error``: what went wrong, in a word."""

    trace: str
    id: str
    parent: str
    name: str
    kind: int
    begun: int
    ended: int
    attributes: Mapping[str, Value] = field(default_factory=dict)
    error: str = ""
    state: str = ""


def document(spans: Iterable[Span], resource: Mapping[str, str], version: str) -> bytes:
    """An ExportTraceServiceRequest."""
    scope = {"name": "llm-proxy-api", "version": version}
    found = {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(resource)},
                "scopeSpans": [{"scope": scope, "spans": [_span(span) for span in spans]}],
            }
        ]
    }
    return json.dumps(found, separators=(",", ":"), allow_nan=False).encode()


def _span(span: Span) -> dict[str, Any]:
    told: dict[str, Any] = {
        "traceId": span.trace,
        "spanId": span.id,
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": str(span.begun),
        "endTimeUnixNano": str(max(span.begun, span.ended)),
        "flags": 1,
        "attributes": _attributes(span.attributes),
    }
    if span.parent:
        told["parentSpanId"] = span.parent
    if span.state:
        told["traceState"] = span.state
    if span.error:
        told["status"] = {"code": _ERROR, "message": span.error}
    return told


def _attributes(values: Mapping[str, Value]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: Value) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        # 64 bits; a client may have sent more.
        return {"intValue": str(value)} if -(1 << 63) <= value < 1 << 63 else {"stringValue": str(value)[:50]}
    if isinstance(value, float):
        return {"doubleValue": value} if abs(value) < float("inf") else {"stringValue": str(value)}
    if isinstance(value, tuple):
        return {"arrayValue": {"values": [_value(item) for item in value]}}
    return {"stringValue": value.encode("utf-8", "replace").decode()}
