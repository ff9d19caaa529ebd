"""The numbers themselves: ladders, sheets, what is merged, and the page that is made of it."""

from __future__ import annotations

import math
import os
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_of
from prometheus_client.parser import text_string_to_metric_families as text_of

from llm_proxy.telemetry.metrics import families, ladders
from llm_proxy.telemetry.metrics.families import FAMILIES, Names, escaped, labelled
from llm_proxy.telemetry.metrics.merged import merged
from llm_proxy.telemetry.metrics.meter import gone
from llm_proxy.telemetry.metrics.metering import Metering
from llm_proxy.telemetry.metrics.page import TEXT, page, wants_openmetrics
from llm_proxy.telemetry.metrics.shared_values import SharedValues

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
LADDERS = [family.ladder for family in FAMILIES if family.ladder]


def ask(metering: Metering, model: str = "m", code: int = 200, now: float | None = None) -> None:
    """One request of ``model`` has ended."""
    now = time.monotonic() if now is None else now
    served = metering.meter.request("openai", model, "p", code, now, 1.5, TRACE)
    metering.meter.streamed(served, 0.2, 0.03, now, TRACE)
    metering.meter.tokens(served, {"prompt_tokens": 3, "completion_tokens": 2}, now)


def values(metering: Metering, *models: str, openmetrics: bool = False) -> dict[str, float]:
    """The page, read by the official parser: each sample by its name and labels."""
    text = metering.page(models or ("m",), {os.getpid()}, openmetrics=openmetrics).decode()
    parse = openmetrics_of if openmetrics else text_of
    return {
        sample.name + "".join(f" {value}" for value in sample.labels.values()): sample.value
        for family in parse(text)
        for sample in family.samples
    }


@given(st.sampled_from(LADDERS), st.lists(st.floats(0, 1e9), max_size=50))
def test_the_told_buckets_are_exact(ladder: ladders.Ladder, found: list[float]) -> None:
    """Whatever was measured, each bucket holds what is not above its bound, as if there were no finer ones."""
    metering = Metering(SharedValues(1, 1000))
    family = next(family for family in FAMILIES if family.ladder is ladder)
    labels = tuple("x" for _ in family.labels)
    for value in found:
        metering.meter.observe(family, value, *labels)
    (total,) = (
        merged(metering.sheets, (), lambda labels, used: False)[family.number].values() if found else (None,)
    )

    told = ladder.told(total.counts) if total else [0.0] * (len(ladder.bounds) + 1)
    assert told == [sum(value <= bound for value in found) for bound in (*ladder.bounds, math.inf)]


@pytest.mark.parametrize("ladder", LADDERS[:4])
def test_percentiles_are_nearly_right(ladder: ladders.Ladder) -> None:
    """A percentile is at most a tenth off."""
    dice = random.Random(7)
    found = sorted(
        dice.lognormvariate(math.log(ladder.bounds[len(ladder.bounds) // 2]), 0.5) for _ in range(5000)
    )
    counts = [0.0] * (len(ladder.fine) + 1)
    for value in found:
        counts[sum(bound < value for bound in ladder.fine)] += 1
    told = ladder.percentiles(counts, (0.5, 0.9, 0.99))

    assert told is not None
    for share, value in zip((0.5, 0.9, 0.99), told, strict=True):
        assert value == pytest.approx(found[int(share * len(found))], rel=0.1)
    assert ladder.percentiles([0.0] * len(counts), (0.5,)) is None


def test_workers_are_added_up_and_their_death_takes_nothing() -> None:
    """A page is of all sheets; a successor goes on where a sheet ended, and a gauge goes with its process."""
    sheets = SharedValues(2, 1000)
    one, other = Metering(sheets, 0), Metering(sheets, 1)
    for metering in (one, other, other):
        ask(metering)
    one.meter.set(families.OPEN_STREAMS, 5)
    one.meter.advance(families.CPU, 2.0)
    before = values(other)
    successor = Metering(sheets, 0)  # as after kill -9: nobody has said goodbye
    after = values(other)
    successor.meter.advance(families.CPU, 0.5)
    ask(successor)
    then = values(other)
    name = "llm_proxy_requests_total openai m p 200"

    assert (before[name], after[name], then[name]) == (3, 3, 4)
    assert before["llm_proxy_request_seconds_count m p"] == 3
    assert (before["llm_proxy_open_streams"], after["llm_proxy_open_streams"]) == (5, 0)
    assert (before["process_cpu_seconds_total"], then["process_cpu_seconds_total"]) == (2.0, 2.5)
    assert all(after[key] >= value for key, value in before.items() if key.endswith(("_total", "_count m p")))


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_name_is_read_back(model: str, provider: str) -> None:
    """Whatever characters a name has, both formats are sound, and each label says what it should."""
    metering = Metering(SharedValues(1, 1000))
    now = time.monotonic()
    metering.meter.request("openai", model, provider, 200, now, 1.0, TRACE)
    wanted = tuple(name.encode("utf-8", "replace").decode() for name in (model, provider))
    for openmetrics in (False, True):
        text = metering.page([model], (), openmetrics=openmetrics).decode()
        parse = openmetrics_of if openmetrics else text_of
        (found,) = [family for family in parse(text) if family.name.startswith("llm_proxy_requests")]
        labels = found.samples[0].labels

        assert (labels["model"], labels["provider"]) == wanted


def test_exemplars_name_traces() -> None:
    """In OpenMetrics a bucket names a trace whose value is in it; the other format has none."""
    metering = Metering(SharedValues(1, 1000))
    ask(metering)
    found = [
        (sample.exemplar.labels["trace_id"], sample.exemplar.value, float(sample.labels["le"]))
        for family in openmetrics_of(metering.page(["m"], (), openmetrics=True).decode())
        for sample in family.samples
        if sample.exemplar
    ]

    assert [(trace, value) for trace, value, _ in found] == [(TRACE, 1.5), (TRACE, 0.2)]
    assert all(value <= bound for _, value, bound in found)
    assert b"trace_id" not in metering.page(["m"], (), openmetrics=False)


def test_series_of_removed_models_go() -> None:
    """They stay for a while after their last use, then are told no more, and their places serve others; others' stay."""
    metering = Metering(SharedValues(1, 1000), keep=60)
    now = time.monotonic()
    ask(metering, "old", now=now - 100)
    ask(metering, "fresh", now=now - 10)
    ask(metering, "m", now=now - 100)
    ask(metering, "unknown", now=now - 100)
    size = metering.sheets.rows[0].size
    for _ in range(10):
        metering.forget(["m"])
    told = {
        sample.split(" ")[2] for sample in values(metering) if sample.startswith("llm_proxy_requests_total")
    }
    ask(metering, "new")

    assert told == {"fresh", "m", "unknown"}
    assert metering.sheets.rows[0].size == size
    assert values(metering, "new", "m")["llm_proxy_requests_total openai new p 200"] == 1


def test_there_are_never_more_lines_than_allowed() -> None:
    """Requests that have no place count for other models; whatever is left out is counted, and nothing else suffers."""
    metering = Metering(SharedValues(2, 1000), 0)
    second = Metering(metering.sheets, 1)
    for number in range(300):
        for which in (metering, second) if number % 2 else (metering,):
            ask(which, f"m{number}")
    models = [f"m{number}" for number in range(300)]
    found = values(metering, *models)
    lines = [
        line
        for line in metering.page(models, {os.getpid()}, openmetrics=False).decode().splitlines()
        if not line.startswith("#")
    ]
    requests = sum(value for name, value in found.items() if name.startswith("llm_proxy_requests_total"))

    assert requests == 450
    assert found["llm_proxy_requests_total openai other p 200"] > 0
    assert found["llm_proxy_series_dropped_total"] > 0
    assert 900 < len(lines) < 1100


@pytest.mark.parametrize(
    ("usage", "told"),
    [
        ({"prompt_tokens": 5}, {"input": 5}),
        ({"prompt_tokens": 5, "completion_tokens": 0}, {"input": 5, "output": 0}),
        ({"prompt_tokens_details": {"cached_tokens": 4}}, {"cached": 4}),
        ({"completion_tokens_details": {"reasoning_tokens": 4}}, {"reasoning": 4}),
        ({"prompt_tokens": "5", "completion_tokens": -1, "prompt_tokens_details": [1]}, {}),
        ({"prompt_tokens": True, "completion_tokens": 1e9, "prompt_tokens_details": None}, {}),
        ({"prompt_tokens": 10**30, "completion_tokens_details": {"reasoning_tokens": None}}, {}),
    ],
    ids=str,
)
def test_tokens_are_told_as_far_as_they_were_reported(usage: dict[str, object], told: dict[str, int]) -> None:
    """A type has a row where the upstream has reported a sound number, and none otherwise."""
    metering = Metering(SharedValues(1, 1000))
    served = metering.meter.request("api", "m", "p", 200, time.monotonic(), 1.0, TRACE)
    metering.meter.tokens(served, usage, time.monotonic())
    found = {
        name.rpartition(" ")[2]: value
        for name, value in values(metering).items()
        if name.startswith("llm_proxy_tokens_total")
    }

    assert found == told


@pytest.mark.parametrize("names", ["llm_proxy", "otel"])
def test_names(names: Names) -> None:
    """With the names of the conventions what they have goes by them, with their labels, and the rest by ours."""
    metering = Metering(SharedValues(1, 1000), names=names)
    ask(metering)
    found = {name.partition(" ")[0] for name in values(metering, openmetrics=True)}

    assert ("gen_ai_server_request_duration_seconds_count" in found) is (names == "otel")
    assert ("gen_ai_client_token_usage_count" in found) is (names == "otel")
    assert ("llm_proxy_tokens_total" in found) is (names == "llm_proxy")
    assert "llm_proxy_requests_total" in found
    text = metering.page(["m"], (), openmetrics=False).decode()
    assert ('gen_ai_request_model="m",gen_ai_provider_name="p"' in text) is (names == "otel")


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        ("application/openmetrics-text; version=1.0.0", True),
        ("application/openmetrics-text; version=2.0.0", False),
        ("application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", True),
        ("application/openmetrics-text;q=0.3,text/plain;q=0.5", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=oops, text/plain", False),
        (",;,=;q" * 500, False),
    ],
)
def test_which_format_is_wanted(accept: str, wanted: bool) -> None:
    """As ``Accept`` says, the plain one in doubt."""
    assert wants_openmetrics(accept) is wanted


def test_what_is_half_written_is_not_read() -> None:
    """A writer that dies while it makes a series leaves the others as they are."""
    sheets = SharedValues(1, 1000)
    metering = Metering(sheets)
    ask(metering)
    before = values(metering)
    sheet = sheets.rows[0]
    end = int(sheet.values[0])
    sheet._page[end : end + 40] = b"\xff" * 40

    assert values(metering) == before
    ask(Metering(sheets), "next")
    assert values(metering, "next", "m")["llm_proxy_requests_total openai next p 200"] == 1


def test_names_with_quotation_marks_are_known() -> None:
    """What tells whether a model is gone reads names as they are written on the page."""
    names = ['a"b', "a\\", 'x\\"', "ü", 'c",model="d']
    is_gone = gone({escaped(name) for name in names})
    for name in names:
        assert not is_gone(labelled(families.REQUEST_SECONDS, name, 'model="zzz"'))
        assert is_gone(labelled(families.REQUEST_SECONDS, name + "x", "p"))


def test_a_page_with_nothing_is_a_page() -> None:
    """Before the first request."""
    sheets = SharedValues(1, 1000)
    text = page(merged(sheets, (), lambda labels, used: False), "llm_proxy", 1000, openmetrics=True).decode()

    assert [family.name for family in openmetrics_of(text)] == ["llm_proxy_series_dropped"]
    assert TEXT.startswith("text/plain; version=0.0.4")
