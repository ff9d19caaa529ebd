"""What came of a request, and where its time went."""

from __future__ import annotations

from typing import Any

import pytest

from llm_proxy.console.finished import FIELDS
from llm_proxy.console.waterfall import bars, outcome, shown


def request(**fields: Any) -> dict[str, Any]:
    """One that has ended."""
    return {**dict.fromkeys(FIELDS), "tries": [], "headers": {"X": "1"}, **fields}


@pytest.mark.parametrize(
    ("status", "code", "found"),
    [
        (200, None, ("200", "good")),
        (200, "upstream_cut", ("200, cut", "bad")),
        (404, "model_not_found", ("404 model_not_found", "bad")),
        (502, None, ("502", "bad")),
        (499, "client_gone", ("left", "muted")),
        (None, None, ("0", "good")),
    ],
)
def test_outcome(status: int | None, code: str | None, found: tuple[str, str]) -> None:
    """A word, and whether it is good."""
    assert outcome(request(status=status, code=code)) == found


def test_a_row_of_the_list() -> None:
    """It has no heads of answers, which are told of one at a time."""
    row = shown(request(status=200))

    assert (row["outcome"], row["mark"], "headers" in row) == ("200", "good", False)


def test_where_the_time_went() -> None:
    """A wait, an attempt that failed, then the one that answered; the time to the first token is told from the beginning."""
    tries = [
        {"provider": "gpu-1", "outcome": "503", "ms": 20.0},
        {"provider": "gpu-2", "outcome": "200", "ms": 30.0},
    ]
    found = bars(request(queued_ms=10.0, tries=tries, first_byte_ms=70.0, total_ms=100.0, stream=True))

    assert [(one["title"], one["kind"], one["from"], one["to"], one["ms"]) for one in found] == [
        ("waited", "wait", 0, 10.0, 10.0),
        ("gpu-1: 503", "fail", 10.0, 30.0, 20.0),
        ("gpu-2", "use", 30.0, 60.0, 30.0),
        ("first token", "use", 30.0, 70.0, 70.0),
        ("stream", "good", 70.0, 100.0, 30.0),
        ("whole", "wait", 0, 100.0, 100.0),
    ]


def test_of_a_request_that_is_hardly_known() -> None:
    """One of the usage database has no attempts, and may have no times."""
    assert [one["title"] for one in bars(request())] == ["whole"]
    assert [one["ms"] for one in bars(request(total_ms=5.0))] == [5.0]
