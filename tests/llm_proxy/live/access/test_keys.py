"""The texts of keys, lists of names, and who asks."""

from __future__ import annotations

import time
from typing import Any

import pytest

from llm_proxy.errors import InvalidRequest, KeyRefused
from llm_proxy.live.access.identity import identify, presented
from llm_proxy.live.access.patterns import matcher
from llm_proxy.live.access.secrets import DIGITS, digest_of, hash_text, mistyped, new_key, redacted
from llm_proxy.live.access.values import Access, Terms


def test_a_key_has_its_form() -> None:
    """``lpk_``, 43 digits, a checksum of 6; no two are equal."""
    keys = {new_key() for _ in range(200)}

    assert len(keys) == 200
    for key in keys:
        assert key.startswith("lpk_")
        assert len(key) == 4 + 43 + 6
        assert set(key[4:]) <= set(DIGITS)
        assert not mistyped(key)


def test_every_slip_of_one_character_is_seen() -> None:
    """A wrong, a missing, a doubled character; two that changed places."""
    key = new_key()
    for at in range(4, len(key)):
        other = "x" if key[at] != "x" else "y"
        assert mistyped(key[:at] + other + key[at + 1 :])
        assert mistyped(key[:at] + key[at + 1 :])
        assert mistyped(key[:at] + key[at] + key[at:])
        if at > 4:
            swapped = key[: at - 1] + key[at] + key[at - 1] + key[at + 1 :]
            assert mistyped(swapped) or swapped == key
    assert not mistyped("sk-something-else")


def test_keys_are_taken_out_of_texts() -> None:
    """Wherever they stand."""
    key = new_key()
    assert redacted(f"/v1/models/{key}/x {key[:20]}") == "/v1/models/lpk_***/x lpk_***"
    assert redacted("nothing") == "nothing"


@pytest.mark.parametrize(
    ("patterns", "yes", "no"),
    [
        ([], [], ["", "a", "*"]),
        (["*"], ["", "a", "x/y"], []),
        (["gpt-*"], ["gpt-", "gpt-4o", "gpt-a/b"], ["gpt", "agpt-4", "GPT-4"]),
        (["*-mini"], ["a-mini", "-mini"], ["mini", "a-mini-b"]),
        (["a*a"], ["aa", "aba"], ["a", "ab"]),
        (["a*b*c"], ["abc", "aXbXc", "abbcc"], ["acb", "ab"]),
        (["q.n"], ["q.n"], ["qxn"]),
        (["[a]*", "b?"], ["[a]x", "b?"], ["ax", "bx"]),
        (["ü*"], ["üx"], ["ux"]),
    ],
)
def test_patterns(patterns: list[str], yes: list[str], no: list[str]) -> None:
    """A star is any characters; nothing else means anything but itself."""
    fits = matcher(tuple(patterns))
    assert all(map(fits, yes))
    assert not any(map(fits, no))


def test_no_pattern_takes_long() -> None:
    """As many stars as one likes, and a name made to fit at the last moment."""
    fits = matcher(("*a" * 50 + "*b",))
    began = time.process_time()
    assert not fits("a" * 20_000)
    assert time.process_time() - began < 5


KEY, OTHER, LATE, OFF = (new_key() for _ in range(4))
ACCESS = Access(
    {
        digest_of(KEY): ("mine", Terms()),
        digest_of("any text"): ("mine", Terms()),
        digest_of("gr\u00fcn".encode().decode("latin-1")): ("green", Terms()),
        digest_of(OTHER): ("other", Terms()),
        digest_of(LATE): ("late", Terms(expires=100.0)),
        digest_of(OFF): ("off", Terms(active=False)),
    }
)


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer   {KEY} "},
        {"authorization": "Bearer any text"},
        {"x-api-key": KEY},
        {"api-key": KEY},
        {"x-goog-api-key": KEY},
        {"x-goog-api-key": KEY, "authorization": "Bearer sk-of-somebody-else"},
        {"x-api-key": KEY, "authorization": "Basic dXNlcjpwYXNz"},
        {"x-api-key": KEY, "authorization": f"Bearer {KEY}"},
        {"x-api-key": KEY, "api-key": OFF},
        {"x-api-key": KEY, "api-key": "any text"},
    ],
)
def test_wherever_clients_send_it(headers: dict[str, str]) -> None:
    """The one valid key among the headers is who asks."""
    assert identify(ACCESS, presented(headers), 50.0).name == "mine"


def test_two_that_differ() -> None:
    """Nobody can say which is meant."""
    with pytest.raises(InvalidRequest, match="two different keys"):
        identify(ACCESS, [KEY, OTHER], 0.0)


WRONG: list[tuple[Any, str]] = [
    ({}, "is needed"),
    ({"authorization": KEY}, "is needed"),
    ({"authorization": f"Basic {KEY}"}, "is needed"),
    ({"cookie": KEY}, "is needed"),
    ({"x-api-key": new_key()}, "unknown, expired or switched off"),
    ({"x-api-key": LATE}, "unknown, expired or switched off"),
    ({"x-api-key": OFF}, "unknown, expired or switched off"),
    ({"x-api-key": KEY[:-1]}, "mistyped"),
    ({"x-api-key": KEY + "x"}, "mistyped"),
    ({"x-api-key": f"{KEY},{KEY}"}, "mistyped"),
]


@pytest.mark.parametrize(("headers", "words"), WRONG)
def test_refusals(headers: dict[str, str], words: str) -> None:
    """Unknown, expired and switched off are one sentence; no refusal holds anything of a key."""
    with pytest.raises(KeyRefused, match=words) as caught:
        identify(ACCESS, presented(headers), 100.0)
    assert "lpk_" not in caught.value.message
    assert (caught.value.status, caught.value.code) == (401, "invalid_api_key")


def test_an_end_in_time() -> None:
    """Valid up to that moment, without an edit."""
    assert identify(ACCESS, [LATE], 99.9).name == "late"
    with pytest.raises(KeyRefused):
        identify(ACCESS, [LATE], 100.0)


def test_bytes_beyond_ascii() -> None:
    """A header's bytes are what is hashed."""
    assert identify(ACCESS, ["gr\u00fcn".encode().decode("latin-1")], 0.0).name == "green"


def test_every_refusal_takes_the_same_steps() -> None:
    """Unknown, expired, switched off: within noise of each other (the least of many tries)."""
    unknown = new_key()

    def least(key: str) -> float:
        best = float("inf")
        for _ in range(300):
            began = time.perf_counter()
            with pytest.raises(KeyRefused):
                identify(ACCESS, [key], 100.0)
            best = min(best, time.perf_counter() - began)
        return best

    for _ in range(5):
        times = [least(key) for key in (unknown, LATE, OFF)]
        if max(times) < 1.5 * min(times):
            return
    raise AssertionError(times)


def test_hash_text() -> None:
    """As ``sha256sum`` writes it."""
    assert hash_text(digest_of("password")).endswith(
        "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"
    )
