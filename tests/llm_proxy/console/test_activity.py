"""What is remembered of requests that have ended: bounded, in the words of the access line, and right in figures."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_proxy.console.activity import KEPT, Activity
from llm_proxy.console.changes import MOST, Changes
from llm_proxy.console.finished import Ended, matches, newest, of_ledger, tries_in
from llm_proxy.console.history import STEP, History, merged, point, points
from llm_proxy.console.money import forecast
from llm_proxy.console.problems import told


def ended(at: float, status: int = 200, **fields: Any) -> Ended:
    """A request as its handler leaves it."""
    named = {
        "request_id": f"r{at}",
        "endpoint": "/v1/chat/completions",
        "model": "m",
        "provider": "p",
        **fields,
    }
    return Ended(
        at, status, named, {"X-Llm-Attempts": "gpu:1:503:12ms, b:200:840ms", "Set-Cookie": "a=b"}, {}
    )


def note(activity: Activity, one: Ended, *, written: bool = False) -> None:
    """``one`` has ended; ``written``: its access line was written down."""
    said = json.dumps(one.fields) if written else one.fields
    activity.note(one.at, one.status, one.fields, said, one.headers, one.usage)


def test_a_written_line_shows_the_same() -> None:
    """Whether the access line was written down, or its fields are there: the console shows the same, and each looks anew."""
    one, two = Activity(lambda endpoint: "openai"), Activity(lambda endpoint: "openai")
    request = ended(1.0, stream=True, path="/x", itl_ms=10.0, events=11, total_ms=1.25, dropped=["top_k"])
    note(one, request)
    note(two, request, written=True)

    assert one.recent() == two.recent() == two.recent() == two.since(0, 5)


def test_the_last_ones_are_kept_and_no_more() -> None:
    """However many come in a second; texts are cut, and of the head only names of ours stay."""
    activity = Activity(lambda endpoint: "openai")
    for number in range(3 * KEPT):
        note(
            activity,
            ended(100 + number, path="/" + "x" * 10_000, prompt_tokens={"a": ["strange"] * 1000}),
        )
    activity.running(2000.0, 3)
    kept = activity.recent()

    assert (len(kept), activity.count) == (KEPT, 3 * KEPT)
    assert kept[-1]["at"] == 100 + 3 * KEPT - 1
    assert len(kept[-1]["path"]) == 300
    assert kept[-1]["prompt_tokens"] is None
    assert kept[-1]["headers"] == {"X-Llm-Attempts": "gpu:1:503:12ms, b:200:840ms"}
    assert kept[-1]["tries"] == [
        {"provider": "gpu:1", "outcome": "503", "ms": 12.0},
        {"provider": "b", "outcome": "200", "ms": 840.0},
    ]
    assert [one["at"] for one in activity.since(3 * KEPT - 2, 50)] == [1598, 1599]
    assert activity.since(3 * KEPT, 50) == []
    assert len(activity.since(0, 50)) == 50


def test_tokens_a_second_are_told_of_streams() -> None:
    """From the first token to the last, by what the upstream has counted."""
    activity = Activity(lambda endpoint: "openai")
    stream: dict[str, Any] = {
        "stream": True,
        "itl_ms": 10.0,
        "events": 11,
        "completion_tokens": 21,
        "first_byte_ms": 100.0,
    }
    for one in ended(10.0, **stream), ended(11.0, **stream | {"stream": False}), ended(12.0, 499):
        note(activity, one)
    activity.running(12.0, 0)

    assert [one["tokens_per_second"] for one in activity.recent()] == [200.0, None, None]
    (piece,) = activity.history.pieces(20.0)
    told_piece = point(piece)
    assert told_piece | {"first_token_ms": None} == {
        "at": 10,
        "requests": 3,
        "errors": 0,
        "cancelled": 1,
        "input": 0,
        "output": 42,
        "first_token_ms": None,
        "tokens_per_second": 200.0,
        "running": 0,
    }
    assert told_piece["first_token_ms"]["p50"] == pytest.approx(100.0, rel=0.05)


def test_pieces_of_processes_add_up() -> None:
    """Also after they have been JSON; a chart has a point for each piece of time, and no more than a quarter of an hour."""
    one, two = History(), History()
    for number in range(400):
        one.add(1000.0 + STEP * number, 200, 1, 2, 10.0)
        two.add(1000.0 + STEP * number, 500, 0, 0, 1000.0)
    now = 1000.0 + STEP * 400
    several = [
        one.pieces(now),
        [{**piece, "first": {str(k): v for k, v in piece["first"].items()}} for piece in two.pieces(now)],
    ]
    found = merged(several)
    chart = points(found, now + STEP)

    assert len(found) == 180
    assert (found[0]["requests"], found[0]["errors"], found[0]["output"]) == (2, 1, 2)
    assert point(found[0])["first_token_ms"] == {
        "p50": pytest.approx(10, rel=0.05),
        "p95": pytest.approx(1000, rel=0.05),
    }
    assert (len(chart), chart[-1]["requests"], chart[-2]["requests"]) == (180, 0, 2)
    assert chart[-1]["at"] == now


def row(uid: str, **more: Any) -> dict[str, Any]:
    """One that runs."""
    grown = {"tokens": 0, "first_token_ms": None, "tokens_per_second": None, "age_ms": 1}
    other = {"state": "asked", "provider": "p", "upstream_model": "u", "attempts": 1, "stream": True}
    return {"uid": uid, "started_at": 1.0, **grown, **other, **more}


def test_only_what_has_changed_is_told() -> None:
    """A new row whole, one that goes on by its counts, one that has ended by its name; nothing, if nothing has."""
    changes = Changes()
    first = changes.next([row("a"), row("b")], 1.0)
    again = changes.next([row("a", age_ms=5), row("b", age_ms=5)], 2.0)
    then = changes.next([row("a", tokens=3), row("c")], 3.0)
    other = changes.next([row("a", tokens=3, state="drained"), row("c")], 4.0)

    assert first is not None
    assert [one["uid"] for one in first["rows"]] == ["a", "b"]
    assert again is None
    assert then == {
        "at": 3.0,
        "whole": False,
        "rows": [row("c")],
        "progress": [["a", 3, None, None]],
        "gone": ["b"],
        "total": 2,
    }
    assert other is not None
    assert other["rows"] == [row("a", tokens=3, state="drained")]
    assert [one["uid"] for one in changes.whole(5.0)["rows"]] == ["a", "c"]


def test_thousands_are_a_number() -> None:
    """The oldest are shown."""
    changes = Changes()
    found = changes.next([row(str(n), started_at=float(n)) for n in range(3 * MOST)], 1.0)

    assert found is not None
    assert (len(found["rows"]), found["total"], found["rows"][0]["uid"]) == (MOST, 3 * MOST, "0")


def test_attempts_are_read_as_they_are_written() -> None:
    """What is none is left out."""
    assert tries_in(None) == tries_in("") == tries_in("nonsense, a:b:cms") == []


def test_rows_of_the_ledger_look_alike() -> None:
    """The same names, whatever the database calls them; filters fit both."""
    found = of_ledger(
        {
            "id": "x",
            "time": 1.5,
            "model": "m",
            "status": 502,
            "input": 3,
            "output": 4,
            "stream": 1,
            "key": "k",
        }
    )

    assert (found["request_id"], found["at"], found["prompt_tokens"], found["completion_tokens"]) == (
        "x",
        1.5,
        3,
        4,
    )
    assert (found["source"], found["stream"]) == ("usage", True)
    assert matches(found, {"status": "error"})
    assert matches(found, {"status": "502", "key": "k"})
    assert not matches(found, {"status": "ok"})
    assert not matches(found, {"model": "n"})
    assert newest([[found], [found | {"at": 2.5}]], 1)[0]["at"] == 2.5


def test_a_forecast_is_a_straight_line() -> None:
    """And nothing at the very beginning."""
    assert forecast(5.0, 0.0, 100.0, 50.0) == 10.0
    assert forecast(5.0, 0.0, 100.0, 1.0) is None
    assert forecast(5.0, 0.0, 100.0, 200.0) == 5.0


@pytest.mark.parametrize(
    ("sentence", "place"),
    [
        (
            "models-config.json: line 3, column 5: openai.gpt-4o: must be an object",
            ("models-config.json", 3, 5, "openai.gpt-4o"),
        ),
        ("line 1, column 2: a value is expected (text: in quotes)", (None, 1, 2, None)),
        ("models-config.json: No such file or directory", (None, None, None, None)),
        ("a.json: line 7, column 9: ollama.qwen3:8b: is wrong: why", ("a.json", 7, 9, "ollama.qwen3:8b")),
    ],
)
def test_a_problem_has_its_place(sentence: str, place: tuple[Any, ...]) -> None:
    """As far as the sentence names one."""
    found = told(sentence)

    assert (found["file"], found["line"], found["column"], found["path"]) == place
    assert found["text"] == sentence
    assert sentence.endswith(found["message"])
