"""Traces: where they go, which are recorded, and that a collector in whatever state costs nothing."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from llm_proxy.telemetry.traces.attributes import ModelCall, attributes_of, told_of
from llm_proxy.telemetry.traces.exporter import Exporter
from llm_proxy.telemetry.traces.options import TraceOptions, read_options
from llm_proxy.telemetry.traces.sampling import Sampler
from llm_proxy.telemetry.traces.span import CLIENT, SERVER, Span, document
from llm_proxy.wire.trace_context import TraceContext
from tests.handlers.kit import CHAT, COMPLETION, EVENTS, WHOLE, config
from tests.support.client import request
from tests.support.gateway import RunningGateway
from tests.support.loops import wait_until
from tests.support.peer import Peer, Script
from tests.support.scripts import answer, answer_json, in_turn, silent, sse, stream
from tests.support.secrets import PROMPT, UPSTREAM_KEY

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GIVEN = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "v=1"}
FAST = {"OTEL_BSP_SCHEDULE_DELAY": "50"}
SPAN = Span(
    TRACE,
    PARENT,
    "",
    "x",
    CLIENT,
    1,
    2,
    {"a": True, "b": 1, "c": 0.5, "d": ("x",), "e": "\ud800", "f": 1 << 70},
)


def parsed(body: bytes) -> ExportTraceServiceRequest:
    """What a collector's own library makes of it: ids are hexadecimal in OTLP, where Protobuf's JSON has base64."""
    text = re.sub(
        r'("(?:traceId|spanId|parentSpanId)":)"([0-9a-f]*)"',
        lambda found: f'{found[1]}"{base64.b64encode(bytes.fromhex(found[2])).decode()}"',
        body.decode(),
    )
    found: ExportTraceServiceRequest = json_format.Parse(text, ExportTraceServiceRequest())
    return found


def spans_of(collector: Peer) -> list[Any]:
    """All spans that have come."""
    return [
        span
        for got in collector.requests
        for resource in parsed(got.body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def told(span: Any) -> dict[str, Any]:
    """Its attributes."""
    return {item.key: getattr(item.value, str(item.value.WhichOneof("value"))) for item in span.attributes}


async def test_a_request_and_its_calls(tmp_path: Path) -> None:
    """One span for the request, below the client's, and one for each call, of which its upstream is told; by the official
    messages each is sound."""
    env = {
        "OTEL_SERVICE_NAME": "gw",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20collector-key",
        **FAST,
    }
    async with (
        Peer(answer_json({})) as collector,
        Peer(answer_json({"error": {"message": "no"}}, 503)) as one,
        Peer(in_turn(answer_json(COMPLETION), stream(*sse(*EVENTS)))) as two,
    ):
        rows = {
            name: {
                "defaults": {"api_type": "openai", "api_host": peer.url + "/v1", "api_token": UPSTREAM_KEY},
                "m": {"order": at},
            }
            for at, (name, peer) in enumerate({"one": one, "two": two}.items())
        }
        env["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
        async with RunningGateway(tmp_path, rows, env=env) as proxy:
            got = await proxy.request("POST", "/chat", {**WHOLE, "temperature": 0.5}, headers=GIVEN)
            await wait_until(lambda: len(spans_of(collector)) == 3, 10)
            misplaced = {"User-Agent": "tool lpk_Misplaced", "X-Session-Id": "lpk_Misplaced"}
            body = {**CHAT, "stream": True}
            await request(proxy.origin, "POST", "/v1/chat/completions", body, headers=misplaced)
            await proxy.request("GET", "/ping")
            await proxy.request("POST", "/chat", {"model": "nobody"})
    server, first, second, streamed, *rest = spans_of(collector)

    assert got.headers["x-trace-id"] == TRACE
    assert {span.trace_id.hex() for span in (server, first, second)} == {TRACE}
    assert (server.parent_span_id.hex(), server.kind, server.trace_state) == (PARENT, SERVER, "v=1")
    assert {first.parent_span_id, second.parent_span_id} == {server.span_id}
    assert {len(span.span_id) for span in (server, first, second)} == {8}
    assert (first.kind, first.name, second.name) == (CLIENT, "chat m", "chat m")
    assert 0 < server.start_time_unix_nano <= first.start_time_unix_nano <= first.end_time_unix_nano
    assert first.end_time_unix_nano <= second.end_time_unix_nano <= server.end_time_unix_nano
    for peer, span in ((one, first), (two, second)):
        said = peer.requests[0].header("traceparent")
        assert said == f"00-{TRACE}-{span.span_id.hex()}-01"
        assert peer.requests[0].header("tracestate") == "v=1"
    assert (told(first)["error.type"], first.status.code) == ("error", 2)
    assert told(second) == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "llm_proxy.provider": "two",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "m",
        "gen_ai.response.model": "m",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.usage.input_tokens": 3,
        "gen_ai.usage.output_tokens": 2,
        "gen_ai.response.finish_reasons": told(second)["gen_ai.response.finish_reasons"],
        "server.address": "127.0.0.1",
        "server.port": int(two.url.rpartition(":")[2]),
    }
    assert told(server)["http.route"] == "/chat"
    assert streamed.name == "POST /v1/chat/completions"
    assert "gen_ai.response.time_to_first_chunk" in told(rest[0 if rest[0].kind == CLIENT else 1])
    assert [span.name for span in rest if span.kind == SERVER] == ["POST /chat"]
    heads = collector.requests[0]
    assert heads.path == "/v1/traces"
    assert heads.header("authorization") == "Bearer collector-key"
    assert b'"service.name","value":{"stringValue":"gw"}' in heads.body
    assert not any(
        text in got.body
        for got in collector.requests
        for text in (PROMPT.encode(), UPSTREAM_KEY.encode(), b"one two", b"Misplaced")
    )
    assert told(streamed)["user_agent.original"] == "tool lpk_***"


async def test_both_tables_and_content_on_demand(tmp_path: Path) -> None:
    """Each convention's names; texts only where they are asked for."""
    found = {}
    for content in ("true", ""):
        async with Peer(answer_json({})) as collector, Peer(answer_json(COMPLETION)) as peer:
            env = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": collector.url + "/x", **FAST}
            env["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = content
            folder = tmp_path / f"c{content}"
            folder.mkdir()
            tables = "genai,openinference"
            async with RunningGateway(folder, config(peer.url), env=env, trace_attributes=tables) as proxy:
                await proxy.request("POST", "/chat", WHOLE)
        assert collector.requests[0].path == "/x"
        found[content] = told(spans_of(collector)[1])

    assert found[""]["openinference.span.kind"] == "LLM"
    assert found[""]["llm.token_count.total"] == 5
    assert found[""]["gen_ai.usage.input_tokens"] == 3
    assert not [name for name in found[""] if "messages" in name]
    assert PROMPT in found["true"]["gen_ai.input.messages"]
    assert json.loads(found["true"]["gen_ai.output.messages"])[0]["parts"][0]["content"] == "one two"
    assert found["true"]["llm.output_messages.0.message.content"] == "one two"


@pytest.mark.parametrize("path", ["/chat", "/anthropic/v1/messages"])
async def test_what_a_stream_says_is_told_on_demand(path: str, tmp_path: Path) -> None:
    """Its text, whole, whoever asked in whatever dialect; the client's bytes are the same as without."""
    bodies = []
    body = {**CHAT, "stream": True, "max_tokens": 9}
    for content in ("true", ""):
        async with Peer(answer_json({})) as collector, Peer(stream(*sse(*EVENTS))) as peer:
            env = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": collector.url + "/x", **FAST}
            env["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = content
            folder = tmp_path / f"c{content}"
            folder.mkdir()
            async with RunningGateway(folder, config(peer.url), env=env) as proxy:
                got = await proxy.request("POST", path, body)
        bodies.append(re.sub(rb"msg_[0-9a-zA-Z]+", b"", got.body))
        found = told(spans_of(collector)[1])
        assert ("gen_ai.output.messages" in found) is bool(content)
        if content:
            (message,) = json.loads(found["gen_ai.output.messages"])
            assert message["parts"][0]["content"] == "one two"
    assert bodies[0] == bodies[1]


STATES: dict[str, Script] = {
    "refuses": answer_json({}, 503),
    "says never": answer_json({}, 400),
    "is slow": silent(),
    "talks nonsense": answer(b"<html>", 200, content_type="text/html"),
    "takes a part": answer_json({"partialSuccess": {"rejectedSpans": "1", "errorMessage": "no"}}),
}


@pytest.mark.parametrize("state", [*STATES, "is away"])
async def test_a_collector_in_whatever_state_costs_nothing(state: str, tmp_path: Path) -> None:
    """Requests go on, what waits is bounded, the stop is not held up, and what is lost is counted."""
    async with Peer(STATES.get(state, silent())) as collector, Peer(answer_json(COMPLETION)) as peer:
        url = collector.url if state != "is away" else "http://127.0.0.1:9"
        env = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "OTEL_BSP_MAX_QUEUE_SIZE": "3",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "300",
            **FAST,
        }
        async with RunningGateway(tmp_path, config(peer.url), env=env) as proxy:
            for _ in range(12):
                assert (await proxy.request("POST", "/chat", WHOLE)).status == 200
            tracer = proxy.service.gateway.tracer
            assert tracer is not None
            assert len(tracer._exporter._waiting) <= 3
    least = {"talks nonsense": 0, "takes a part": 1}.get(state, 2)

    assert tracer.dropped in range(least, 25)
    if least < 2:
        assert tracer.dropped + tracer._exporter.sent == 24


async def test_what_failed_is_sent_again() -> None:
    """A batch that a collector could not take comes once more; one that it never will is not repeated."""
    problems: list[str] = []
    async with Peer(in_turn(answer_json({}, 503), answer_json({}))) as collector:
        exporter = Exporter(TraceOptions(collector.url + "/v1/traces", delay=0.02), "1", problems.append)
        exporter.put(lambda: [SPAN], 1)
        await wait_until(lambda: exporter.sent == 1, 10)
        exporter.stop()

    assert len(spans_of(collector)) == 2
    assert (exporter.dropped, len(problems), problems[-1]) == (0, 2, "")


def test_any_value_can_be_told() -> None:
    """Whatever an attribute is, the document is sound."""
    (span,) = parsed(document([SPAN], {"service.name": "x"}, "1")).resource_spans[0].scope_spans[0].spans

    assert told(span)["b"] == 1
    assert told(span)["f"].startswith("11805916")


@pytest.mark.parametrize(
    ("env", "wanted"),
    [
        ({}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/"}, "http://c:4318/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/base"}, "http://c:4318/base/v1/traces"),
        (
            {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://c/in", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"},
            "https://c/in",
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "true"}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "none"}, None),
    ],
)
def test_where_traces_go(env: dict[str, str], wanted: str | None) -> None:
    """As the standard says; nowhere unless an address is given."""
    options, problems = read_options(env)

    assert (options and options.endpoint, problems) == (wanted, [])


@pytest.mark.parametrize(
    "env",
    [
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://[bad"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_HEADERS": "hunter2"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_TIMEOUT": "soon"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_SAMPLER": "jaeger_remote"},
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c",
            "OTEL_TRACES_SAMPLER": "traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": "2",
        },
    ],
)
def test_what_cannot_be_understood_is_one_sentence(env: dict[str, str]) -> None:
    """It names the variable, shows no value that may be a key, and the rest goes on."""
    options, problems = read_options(env)

    assert len(problems) == 1
    assert problems[0].startswith("OTEL_")
    assert "hunter2" not in problems[0] + repr(options)


def test_options_are_read() -> None:
    """Milliseconds, pairs and their encoding; a key is in no repr."""
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c",
        "OTEL_EXPORTER_OTLP_HEADERS": "a=hunter2, b=x%20y",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "2500",
        "OTEL_RESOURCE_ATTRIBUTES": "service.name=from,zone=eu",
        "OTEL_SERVICE_NAME": "wins",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    options, problems = read_options(env)

    assert options is not None
    assert not problems
    assert {name: value.reveal() for name, value in options.headers.items()} == {"a": "hunter2", "b": "x y"}
    assert (options.timeout, options.delay, options.queue, options.batch) == (2.5, 0.1, 2048, 512)
    assert dict(options.resource) == {"service.name": "wins", "zone": "eu"}
    assert "hunter2" not in repr(options)


@pytest.mark.parametrize(
    ("name", "argument", "parent", "shares"),
    [
        ("", "", None, {True}),
        ("", "", False, {False}),
        ("parentbased_always_off", "", True, {True}),
        ("parentbased_always_off", "", None, {False}),
        ("always_on", "", False, {True}),
        ("always_off", "", True, {False}),
        ("traceidratio", "0", True, {False}),
        ("parentbased_traceidratio", "1", None, {True}),
        ("traceidratio", "0.5", None, {True, False}),
    ],
)
def test_samplers(name: str, argument: str, parent: bool | None, shares: set[bool]) -> None:
    """The standard ones; the same trace always has the same verdict."""
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c",
        "OTEL_TRACES_SAMPLER": name,
        "OTEL_TRACES_SAMPLER_ARG": argument,
    }
    options, _ = read_options(env)
    assert options is not None
    context = None if parent is None else TraceContext(TRACE, PARENT, parent)
    traces = [f"{number * 0x9E3779B97F4A7C15 % (1 << 64):032x}" for number in range(1, 50)]

    assert {options.sampler.takes(trace, context) for trace in traces} == shares
    assert [Sampler(0.25).takes(t, None) for t in traces] == [Sampler(0.25).takes(t, None) for t in traces]


def test_what_a_client_sends_is_told_in_bounds() -> None:
    """Odd values of parameters are left out, long ones cut."""
    sent = {
        "temperature": float("nan"),
        "top_p": "x",
        "seed": 1 << 80,
        "frequency_penalty": 10**400,
        "stop": ["y" * 10_000, 3],
        "n": True,
        "response_format": {"type": ["z"]},
        "messages": [{"role": 5, "content": [{"type": "text", "text": "t" * 100_000}]}, "no", {}] * 100,
    }
    call = ModelCall("chat", "openai", "m", "u", "h", 1, told_of(sent, True), content=True)
    found = attributes_of(call, ("genai", "openinference"))
    size = len(document([Span(TRACE, PARENT, "", "x", CLIENT, 1, 2, found)], {}, "1"))

    assert size < 4_000_000
    assert "gen_ai.request.temperature" not in found
    assert "gen_ai.request.frequency_penalty" not in found
