"""The access line by a form says what the one by its fields says, or it is not written by one."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.telemetry.access_template import AGENT, BASE, AccessTemplate
from llm_proxy.telemetry.log_lines import JsonLines

USUAL = ("id-1", "POST", "/v1/x", "/v1/x", 200, "::1", 1.25, "3-abc", "0" * 32)
FACTS = {"model": "m", "stream": True, "first_byte_ms": 0.5, "events": 3, "prompt_tokens": 7}

texts = st.text() | st.sampled_from(["", '"', "\\", "\n", "a%sb", "%", "é", "\ud800", "x" * 3000, "plain"])
values = st.one_of(
    texts,
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
    st.lists(st.text(), max_size=2),
    st.dictionaries(st.text(), st.integers(), max_size=2),
)
names = st.sampled_from(
    ["model", "stream", "own_ms", "events", "dropped", "drained", "code", "status", "path"]
)
clock = st.floats(0, 1e6, allow_nan=False)


def _by_fields(lines: JsonLines, base: tuple[Any, ...], facts: dict[str, Any]) -> dict[str, Any] | None:
    told = {name: value for name, value in facts.items() if value is not None and value != ""}
    line = lines.access_line({**dict(zip((*BASE, AGENT), base, strict=False)), **told})
    return None if line is None else json.loads(line)


@given(
    base=st.tuples(texts, texts, texts, texts, st.integers(100, 599), texts, clock, texts, texts),
    agent=st.none() | texts,
    facts=st.dictionaries(names, values),
    ms=clock,
    processes=st.booleans(),
)
def test_any_line_says_the_same(
    base: tuple[Any, ...], agent: str | None, facts: dict[str, Any], ms: float, processes: bool
) -> None:
    """Whatever a client or an upstream has written: the same values under the same names in the same order, in one line of
    ASCII, or nothing."""
    lines = JsonLines(processes)
    base = base if agent is None else (*base, agent)
    if "own_ms" in facts:
        facts["own_ms"] = ms  # as all times it is of our own clock
    for _ in range(2):  # made, and made before
        line = lines.usual_line(base, facts)
        if line is None:
            continue
        told = json.loads(line)
        known = _by_fields(lines, base, facts)
        assert known is not None
        assert list(told.items())[1:] == list(known.items())[1:]
        assert line.isascii()
        assert line.isprintable()


def test_a_usual_line_is_written_by_a_form() -> None:
    """And a fact of another kind, or an odd text, is not."""
    lines = JsonLines(False)
    line = lines.usual_line((*USUAL, "curl/8"), FACTS)

    assert line is not None
    told = json.loads(line)
    assert told | FACTS == told
    assert (told["user_agent"], told["status"], told["total_ms"]) == ("curl/8", 200, 1.25)
    assert lines.usual_line((*USUAL, 'cu"rl'), FACTS) is None
    assert lines.usual_line(USUAL, {**FACTS, "dropped": ["top_k"]}) is None
    assert lines.usual_line(USUAL, {**FACTS, "prompt_tokens": 1e400}) is None


def test_forms_are_bounded() -> None:
    """However many names there are."""
    template = AccessTemplate()
    for number in range(2000):
        assert template.line("now", USUAL, {f"fact{number}": 1}) is not None
    assert len(template._forms) <= 256
