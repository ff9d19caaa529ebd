"""What model servers say of their load, in their real formats."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from llm_proxy.routing.signals import Signal, read_loaded, read_metrics, read_slots, sources
from llm_proxy.wire.calls import Deployment

#: vllm/v1/metrics/loggers.py, two engines of one server.
VLLM = b"""# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 8.0
# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="m"} 3.0
vllm:num_requests_waiting{engine="1",model_name="a } b"} 4.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="m"} 0.75
vllm:prefix_cache_queries_total{engine="0",model_name="m"} 100.0
vllm:prompt_tokens_total{engine="0",model_name="m"} 1.0e+06
vllm:num_requests_waiting_by_reason{reason="capacity"} 99.0
"""
OLD_VLLM = b"""vllm:num_requests_waiting{model_name="m"} 0.0
vllm:gpu_cache_usage_perc{model_name="m"} 0.5
"""
#: srt/metrics/collector.py
SGLANG = b"""sglang:num_running_reqs{model_name="m"} 2.0
sglang:num_queue_reqs{model_name="m"} 5.0
sglang:token_usage{model_name="m"} 0.28
sglang:prompt_tokens_total{model_name="m"} 8.128902e+06
"""
#: tools/server/server-context.cpp
LLAMACPP = b"""# HELP llamacpp:prompt_tokens_total Number of prompt tokens processed.
# TYPE llamacpp:prompt_tokens_total counter
llamacpp:prompt_tokens_total 104
llamacpp:requests_processing 1
# HELP llamacpp:requests_deferred Number of requests deferred.
# TYPE llamacpp:requests_deferred gauge
llamacpp:requests_deferred 6"""


@pytest.mark.parametrize(
    ("page", "signal"),
    [
        (VLLM, Signal(7.0, None, 1e6)),
        (OLD_VLLM, Signal(0.0)),
        (SGLANG, Signal(5.0, None, 8128902.0)),
        (LLAMACPP, Signal(6.0, None, 104.0)),
        (b"vllm:num_requests_waiting NaN\n", None),
        (b"vllm:num_requests_waiting{a=\n", None),
        (b"vllm:num_requests_waiting -1 1700000000\n", None),
        (b"vllm:num_requests_waiting 2 1700000000\n", Signal(2.0)),
        (b"<html>", None),
        (b"", None),
        (b"\xff\x00vllm:num_requests_waiting 2", None),
    ],
)
def test_pages_of_metrics(page: bytes, signal: Signal | None) -> None:
    """All engines together; a longer name is another metric; what is not a page of theirs says nothing."""
    assert read_metrics(page, "m") == signal


@pytest.mark.parametrize(
    ("busy", "waiting"),
    [([True, False], 0.0), ([True, True], 1.0), ([], None), (None, None)],
)
def test_slots(busy: list[bool] | None, waiting: float | None) -> None:
    """llama.cpp without a page of metrics: nothing is free, so somebody waits."""
    page = json.dumps(busy if busy is None else [{"id": n, "is_processing": b} for n, b in enumerate(busy)])
    found = read_slots(page.encode(), "m")

    assert (found.waiting if found else None) == waiting


@pytest.mark.parametrize(
    ("model", "warm"),
    [
        ("llama3.2", True),
        ("llama3.2:latest", True),
        ("llama3.2:1b", False),
        ("hf.co/a/b:Q4", True),
        ("x", False),
    ],
)
def test_what_ollama_has_loaded(model: str, warm: bool) -> None:
    """By its full name."""
    said = {
        "models": [
            {"name": "llama3.2:latest", "model": "llama3.2:latest", "size_vram": 5, "expires_at": "x"},
            {"name": "hf.co/a/b:Q4"},
            7,
        ]
    }

    assert read_loaded(json.dumps(said).encode(), model) == Signal(warm=warm)
    assert read_loaded(b'{"models": null}', model) is None
    assert read_loaded(b"not json", model) is None


ROW = Deployment("p", "m", "vllm", "http://h.test:8000/v1", "m")


@pytest.mark.parametrize(
    ("row", "urls"),
    [
        (ROW, ["http://h.test:8000/metrics"]),
        (replace(ROW, load="none"), []),
        (replace(ROW, api_type="ollama", api_host="http://h.test:11434/"), ["http://h.test:11434/api/ps"]),
        (replace(ROW, api_type="openai", vendor="sglang"), ["http://h.test:8000/metrics"]),
        (
            replace(ROW, api_type="openai", vendor="llamacpp", api_host="https://h.test/sub/v1"),
            ["https://h.test/sub/metrics", "https://h.test/sub/slots"],
        ),
        (replace(ROW, api_type="openai", vendor="lenient"), []),
        (replace(ROW, api_type="openai", vendor="groq"), []),
        (replace(ROW, api_type="anthropic"), []),
    ],
)
def test_who_is_asked(row: Deployment, urls: list[str]) -> None:
    """Servers that tell it; not those whose kind nobody has named, and no vendor."""
    assert [one.url for one in sources(row)] == urls


def test_a_long_page_costs_little() -> None:
    """Two hundred thousand lines of other metrics are passed over."""
    page = b'vllm:request_seconds_bucket{le="0.1",model_name="m"} 5.0\n' * 200_000

    assert read_metrics(page + b"vllm:num_requests_waiting 2\n", "m") == Signal(2.0)
