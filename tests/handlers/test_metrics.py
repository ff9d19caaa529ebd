"""``/metrics``, the access line and the trace of a request, on the real service."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families as text_of

from llm_proxy.settings import Settings, SettingsError
from tests.handlers.kit import CHAT, COMPLETION, EVENTS, WHOLE, access_lines, config, gateway
from tests.support.client import Answer, Connection, request
from tests.support.gateway import RunningGateway
from tests.support.loops import wait_until
from tests.support.peer import Peer
from tests.support.program import PATIENCE, Program
from tests.support.scripts import answer_json, in_turn, sse, stream
from tests.support.secrets import PROMPT, UPSTREAM_KEY

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
MADE = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-01")


def told(answer: Answer) -> dict[str, float]:
    """Every sample by its name and the values of its labels."""
    return {
        " ".join([sample.name.removeprefix("llm_proxy_"), *sample.labels.values()]): sample.value
        for family in text_of(answer.body.decode())
        for sample in family.samples
    }


async def test_requests_are_counted_by_what_became_of_them(tmp_path: Path) -> None:
    """Whatever ends a request: one request more, under the status that tells how, and no name that a client made up."""
    broken = stream(*sse(EVENTS[1], done=False), end="cut")
    scripts = in_turn(
        answer_json(COMPLETION),
        stream(*sse(*EVENTS)),
        broken,
        answer_json({"error": {"message": "slow down"}}, 429),
        answer_json(COMPLETION),
        answer_json(COMPLETION),
    )
    async with Peer(scripts) as peer, gateway(tmp_path, peer.url) as proxy:
        await proxy.request("POST", "/chat", WHOLE)
        await proxy.request("POST", "/chat", CHAT)
        await proxy.request("POST", "/chat", CHAT)
        await proxy.request("POST", "/chat", WHOLE)
        await request(proxy.origin, "POST", "/v1/chat/completions", WHOLE)
        await proxy.request("POST", "/passthrough/peer/chat/completions", {"x": 1})
        for name in ("made-up", "<script>", "x" * 5000):
            await proxy.request("POST", "/chat", {**WHOLE, "model": name})
        await proxy.request("GET", "/tags")
        await proxy.request("POST", "/chat", {"messages": []})
        found = told(await request(proxy.origin, "GET", "/metrics"))
    requests = {name: value for name, value in found.items() if name.startswith("requests_total")}

    assert requests == {
        "requests_total api m peer 200": 2,
        "requests_total api m peer 502": 1,
        "requests_total api m peer 429": 1,
        "requests_total openai m peer 200": 1,
        "requests_total passthrough  peer 200": 1,
        "requests_total api unknown  404": 3,
    }
    assert found["tokens_total m peer input"] == 9
    assert found["tokens_total m peer output"] == 6
    assert "tokens_total m peer cached" not in found
    assert found["request_seconds_count m peer"] == 5
    assert found["first_token_seconds_count m peer"] == 2
    assert found["overhead_seconds_count api"] == 4
    assert {name: value for name, value in found.items() if "attempts" in name} == {
        "upstream_attempts_total peer ok": 4,
        "upstream_attempts_total peer broken": 1,
        "upstream_attempts_total peer rate_limit": 1,
    }
    assert found["upstream_state peer m ok"] == 1
    assert [found[f"upstream_state peer m {state}"] for state in ("ejected", "asleep", "full", "out")] == [
        0
    ] * 4
    assert (found["requests_running"], found["open_streams"], found["client_connections"]) == (0, 0, 1)
    assert found["config_generation"] == 1
    assert found["process_resident_memory_bytes"] > 1e6


async def test_gauges_follow_what_runs(tmp_path: Path) -> None:
    """While a stream runs it is told as one, at its upstream; afterwards it is not."""
    async with (
        Peer(stream(*sse(EVENTS[1], done=False), end="silence")) as peer,
        gateway(tmp_path, peer.url) as proxy,
    ):
        async with Connection(proxy.url) as client:
            await client.send("POST", "/chat", CHAT)
            await client.piece(await client.head())
            during = told(await request(proxy.origin, "GET", "/metrics"))
        await wait_until(lambda: not proxy.service.gateway.running)
        after = told(await request(proxy.origin, "GET", "/metrics"))
    names = ("requests_running", "open_streams", "upstream_in_flight peer m")

    assert [during[name] for name in names] == [1, 1, 1]
    assert [after[name] for name in names] == [0, 0, 0]
    assert after["requests_total api m peer 499"] == 1
    assert after["upstream_attempts_total peer aborted"] == 1


@pytest.mark.parametrize("path", ["/metrics", "/metrics/", "/api/metrics", "/api/metrics/"])
async def test_where_it_stands(path: str, tmp_path: Path) -> None:
    """With and without a slash, below the prefix too; as text or as OpenMetrics; HEAD has the same fields."""
    async with RunningGateway(tmp_path, config("http://127.0.0.1:9")) as proxy:
        plain = await request(proxy.origin, "GET", path)
        openmetrics = await request(
            proxy.origin, "GET", path, headers={"Accept": "application/openmetrics-text;version=1.0.0"}
        )
        head = await request(proxy.origin, "HEAD", path)

    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert openmetrics.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert openmetrics.body.endswith(b"\n# EOF\n")
    assert (head.status, head.body) == (200, b"")


async def test_who_may_ask(tmp_path: Path) -> None:
    """Everybody where only this machine is listened to; elsewhere nobody but on the port that is for it, which has nothing
    else."""
    async with RunningGateway(
        tmp_path, config("http://127.0.0.1:9"), host="0.0.0.0", metrics_port=0
    ) as proxy:
        refused = await request(proxy.origin, "GET", "/metrics")
        url = f"http://127.0.0.1:{proxy.listeners.metrics[0].getsockname()[1]}"
        answers = [
            await request(url, "GET", path)
            for path in ("/metrics", "/metrics/", "/ping", "/status", "/v1/models")
        ]

    assert (refused.status, refused.json()["error"]["code"]) == (403, "not_allowed")
    assert [answer.status for answer in answers] == [200, 200, 200, 404, 404]


def test_ports_must_differ() -> None:
    """A port for two purposes is an error that names both."""
    with pytest.raises(SettingsError, match="METRICS_PORT: is the port of the other endpoints"):
        Settings.read({"LLM_PROXY_API_METRICS_PORT": "8080"})
    with pytest.raises(SettingsError, match="METRICS_PORT: is the port of Ollama"):
        Settings.read({"LLM_PROXY_API_METRICS_PORT": "9000", "LLM_PROXY_API_OLLAMA_PORT": "9000"})


async def test_any_worker_tells_of_all(tmp_path: Path) -> None:
    """Several workers answer with the same sums, and one that is killed takes nothing with it."""
    name = "requests_total api demo demo 200"
    async with Program(tmp_path, {"demo": {"demo": {}}}, workers=2, metrics_port=0) as program:
        url = program.lines("listening")[0]["metrics_url"].removesuffix("/metrics")
        chat = {"model": "demo", "stream": False, "messages": [{"role": "user", "content": "x"}]}

        async def pages(count: int) -> list[dict[str, float]]:
            """Six of them, once one tells of so many requests: a client may have its answer a moment before it counts."""
            for _ in range(200):
                if told(await request(url, "GET", "/metrics")).get(name) == count:
                    break
                await asyncio.sleep(0.05)
            return [told(await request(url, "GET", "/metrics")) for _ in range(6)]

        for _ in range(8):
            assert (await request(program.url, "POST", "/chat", chat)).status == 200
        first = await pages(8)
        os.kill(program.children()[0], signal.SIGKILL)
        await program.logged("worker started")
        assert (await request(program.url, "POST", "/chat", chat)).status == 200
        then = await pages(9)

    assert {page[name] for page in first} == {8}
    assert {page[name] for page in then} == {9}
    assert all(page["process_cpu_seconds_total"] >= first[0]["process_cpu_seconds_total"] for page in then)


async def test_no_secret_is_told(tmp_path: Path) -> None:
    """Neither a key nor a text of a prompt or an answer is on the page."""
    async with Peer(answer_json(COMPLETION)) as peer, gateway(tmp_path, peer.url) as proxy:
        await proxy.request("POST", "/chat", WHOLE, headers={"Authorization": "Bearer sk-client-secret"})
        page = (await request(proxy.origin, "GET", "/metrics")).body.decode()

    assert not any(text in page for text in (UPSTREAM_KEY, PROMPT, "one two", "sk-client", str(tmp_path)))


GOOD = [PARENT, f"00-{TRACE}-{SPAN}-00", f"cc-{TRACE}-{SPAN}-01-more"]
BAD = [
    "",
    "x",
    f"ff-{TRACE}-{SPAN}-01",
    f"00-{TRACE}-{SPAN}-01-more",
    f"00-{'0' * 32}-{SPAN}-01",
    f"00-{TRACE}-{'0' * 16}-01",
    PARENT.upper(),
    f"{PARENT},{PARENT}",
    "00-" + "a" * 9000,
]


async def test_a_clients_trace_goes_on_in_the_upstream(tmp_path: Path) -> None:
    """A sound ``traceparent`` is the request's trace, and goes on with its state and the request's id; any other makes a new
    trace without that state. The answer and the access line say which."""
    async with Peer(answer_json(COMPLETION)) as peer, gateway(tmp_path, peer.url) as proxy:
        with access_lines() as lines:
            for parent in [*GOOD, *BAD]:
                headers = {"traceparent": parent, "tracestate": "v=1,w=2", "X-Request-Id": "mine"}
                got = await proxy.request("POST", "/chat", WHOLE, headers=headers)
                sent, line = peer.requests[-1], lines[-1]
                trace = got.headers["x-trace-id"]
                said = sent.header("traceparent") or ""

                assert sent.header("x-request-id") == got.headers["x-request-id"] == "mine"
                assert line["trace_id"] == trace == said.split("-")[1]
                if parent in GOOD:
                    flags = parent.split("-")[3]
                    assert (said, sent.header("tracestate")) == (f"00-{TRACE}-{SPAN}-{flags}", "v=1,w=2")
                else:
                    assert MADE.fullmatch(said)
                    assert trace != TRACE
                    assert sent.header("tracestate") is None


async def test_an_upstream_that_shall_not_know(tmp_path: Path) -> None:
    """With ``trace: false`` nothing is told, nor passed through; a name that the operator sends himself comes once."""
    headers = {"traceparent": PARENT, "tracestate": "v=1", "X-Request-Id": "mine"}
    fields: list[dict[str, Any]] = [{"trace": False}, {"headers": {"X-Request-ID": "fixed"}}, {}]
    found = []
    for number, given in enumerate(fields):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with Peer(answer_json(COMPLETION)) as peer, gateway(folder, peer.url, fields=given) as proxy:
            await proxy.request("POST", "/chat", WHOLE, headers=headers)
            await proxy.request("POST", "/passthrough/peer/x", {"a": 1}, headers=headers)
            await proxy.request("GET", "/passthrough/peer/x", headers=headers)
            found += [
                [sent.header(name) for name in ("traceparent", "tracestate", "x-request-id")]
                for sent in peer.requests
            ]

    assert found[:3] == [[None, None, None]] * 3
    assert found[3:6] == [[None, None, "fixed"]] * 3
    assert found[6:] == [[PARENT, "v=1", "mine"]] * 3


async def test_every_answer_names_its_trace(tmp_path: Path) -> None:
    """Refusals, pages and streams too; two requests of one trace have ids of their own."""
    async with Peer(stream(*sse(*EVENTS))) as peer, gateway(tmp_path, peer.url) as proxy:
        answers = [
            await proxy.request(method, path, body, headers={"traceparent": PARENT})
            for method, path, body in [
                ("GET", "/ping", None),
                ("GET", "/nothing", None),
                ("POST", "/chat", CHAT),
                ("POST", "/chat", {"model": "nobody"}),
                ("DELETE", "/ping", None),
            ]
        ]

    assert {answer.headers["x-trace-id"] for answer in answers} == {TRACE}
    assert len({answer.headers["x-request-id"] for answer in answers}) == len(answers)


async def test_the_access_line_says_who_asked_and_how_often(tmp_path: Path) -> None:
    """The program that asked, in at most 200 characters, and the number of calls."""
    async with Peer(answer_json(COMPLETION)) as peer, gateway(tmp_path, peer.url) as proxy:
        with access_lines() as lines:
            await proxy.request("POST", "/chat", WHOLE, headers={"User-Agent": "curl/8 " + "x" * 500})
            await proxy.request("GET", "/tags")

    assert lines[0]["user_agent"] == ("curl/8 " + "x" * 500)[:200]
    assert lines[0]["attempts"] == 1
    assert lines[0]["client"] == "127.0.0.1"
    assert "attempts" not in lines[1]


async def test_probes_are_quiet(tmp_path: Path) -> None:
    """``/ping`` and ``/metrics`` are in the log where they fail, and with DEBUG."""
    async with Program(tmp_path, {"demo": {"demo": {}}}) as program:
        for method, path in [
            ("GET", "/ping"),
            ("HEAD", "/ping"),
            ("GET", "/metrics"),
            ("DELETE", "/ping"),
            ("GET", "/tags"),
        ]:
            await request(program.url, method, path)
        quiet = [(line["method"], line["endpoint"]) for line in await program.logged("request", 2)]
    (tmp_path / "debug").mkdir()
    async with Program(tmp_path / "debug", {"demo": {"demo": {}}}, log_level="DEBUG") as program:
        await request(program.url, "GET", "/ping")
        (line,) = await program.logged("request")

    assert quiet == [("DELETE", "/ping"), ("GET", "/tags")]
    assert line["endpoint"] == "/ping"


async def test_a_text_log_in_a_file_is_dated(tmp_path: Path) -> None:
    """Each line has its day and its offset from UTC."""
    file = tmp_path / "log"
    async with Program(
        tmp_path, {"demo": {"demo": {}}}, log_format="text", log_filename=str(file), expect="none"
    ) as program:
        await wait_until(lambda: file.exists() and "listening" in file.read_text(), PATIENCE)
        assert program.process.poll() is None
        lines = file.read_text().splitlines()

    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} [A-Z]+ ", line) for line in lines)


async def test_names_that_clients_choose_are_no_labels(tmp_path: Path) -> None:
    """What a pattern serves goes by the pattern, a model behind ``provider/model`` by its own name, an alias by itself."""
    async with Peer(answer_json(COMPLETION)) as peer:
        rows = config(peer.url)
        rows["peer"] |= {"gpt-*": {}}
        rows["$models"] = {"fast": {"alias": "m"}}
        async with RunningGateway(tmp_path, rows) as proxy:
            for name in ("gpt-1", "gpt-2", "peer/m", "fast", "peer/gpt-9", "other"):
                await proxy.request("POST", "/chat", {**WHOLE, "model": name})
            found = told(await request(proxy.origin, "GET", "/metrics"))

    assert {name: value for name, value in found.items() if name.startswith("requests_total")} == {
        "requests_total api gpt-* peer 200": 3,
        "requests_total api m peer 200": 1,
        "requests_total api fast peer 200": 1,
        "requests_total api unknown  404": 1,
    }
    assert found["upstream_state peer gpt-* ok"] == 1


async def test_embeddings_are_measured_as_chats_are(tmp_path: Path) -> None:
    """Tokens as far as the upstream counts them, and the gateway's own time."""
    vectors = {"data": [{"index": 0, "embedding": [0.5]}], "usage": {"prompt_tokens": 7, "total_tokens": 7}}
    async with Peer(answer_json(vectors)) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await proxy.request("POST", "/v1/embeddings", {"model": "m", "input": "x"})
        assert got.status == 200
        found = told(await request(proxy.origin, "GET", "/metrics"))

    assert found["tokens_total m peer input"] == 7
    assert "tokens_total m peer output" not in found
    assert found["overhead_seconds_count openai"] == 1
