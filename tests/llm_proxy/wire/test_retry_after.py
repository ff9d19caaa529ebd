"""How long upstreams ask to be left alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.wire.retry_after import LONGEST, delay_in, wait_in

DATE = "Wed, 21 Oct 2026 07:28:00 GMT"
AT = datetime(2026, 10, 21, 7, 28, tzinfo=UTC)
EPOCH = AT.timestamp()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "1.5", "retry-after-ms": "250"}, 1.5),
        ({"retry-after": "soon", "retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250.5"}, 0.2505),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, 30),
        ({"retry-after": "2m59.56s"}, 179.56),
        ({"x-ratelimit-reset": "12"}, 12),
        ({"x-ratelimit-reset": str(EPOCH + 90)}, 90),
        ({"x-ratelimit-reset": str(int(EPOCH + 90) * 1000)}, 90),
        ({"x-ratelimit-reset": str(EPOCH - 90)}, 0),
        ({"ratelimit-reset": "3"}, 3),
        ({"x-ratelimit-reset-requests": "1m2.5s", "x-ratelimit-reset-tokens": "20ms"}, 0.02),
        (
            {
                "x-ratelimit-reset-requests": "20ms",
                "x-ratelimit-remaining-requests": "99",
                "x-ratelimit-reset-tokens": "6m0s",
                "x-ratelimit-remaining-tokens": "0",
            },
            360,
        ),
        ({"x-ratelimit-reset-requests-day": "33011.382", "x-ratelimit-reset-tokens-minute": "11.38"}, 11.38),
        (
            {
                "anthropic-ratelimit-input-tokens-reset": "2026-10-21T07:28:42Z",
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2026-10-21T07:28:01Z",
                "anthropic-ratelimit-requests-remaining": "49",
            },
            42,
        ),
        ({"x-ratelimit-reset-tokens": "6m and more"}, None),
        ({"x-ratelimit-reset-tokens": "1h1h"}, LONGEST),
        ({"retry-after": "9" * 5000}, LONGEST),
        ({"retry-after": "-5", "x-ratelimit-reset": "nan"}, None),
    ],
)
def test_the_forms(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds, milliseconds, dates, durations; the first that makes sense, and of the limits the one that is used up."""
    found = wait_in({"date": DATE, **headers})

    assert found == (None if seconds is None else pytest.approx(seconds, abs=1e-3))


def test_without_a_date_it_is_our_clock() -> None:
    """An upstream need not show its own."""
    then = (datetime.now(UTC) + timedelta(seconds=100)).isoformat()

    found = wait_in({"anthropic-ratelimit-tokens-reset": then})

    assert found is not None
    assert 90 < found <= 100


def test_google_says_it_in_the_body() -> None:
    """A ``RetryInfo`` among the details; whatever else stands there says nothing."""
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.07s"}

    assert wait_in({}, delay_in([{"@type": "x"}, 5, info])) == pytest.approx(34.07)
    others: list[Any] = [None, {}, [], [info | {"retryDelay": 5}]]
    assert [delay_in(other) for other in others] == ["", "", "", ""]


@given(
    st.dictionaries(
        st.sampled_from(
            ["retry-after", "retry-after-ms", "x-ratelimit-reset", "x-ratelimit-reset-tokens", "date"]
        ),
        st.text(st.sampled_from("0123456789.hmsdnuµ:-+ TZGMTWedOct"), max_size=40),
    )
)
def test_whatever_is_said_the_wait_is_bounded(headers: dict[str, str]) -> None:
    """No text breaks it."""
    found = wait_in(headers)

    assert found is None or 0 <= found <= LONGEST
