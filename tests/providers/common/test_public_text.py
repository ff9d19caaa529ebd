"""What a client may read of an upstream's words: no address, no key, one bounded line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.common.public_text import MAX_MESSAGE, public
from tests.support.fuzz import fuzz
from tests.support.secrets import UPSTREAM_KEY

HIDDEN = [
    "http://10.0.0.1:8000/v1/chat?x=1",
    "HTTPS://user:pw@gpu.example.com/v1",
    "1http://h/",
    "gpu-box.example.com:8000",
    "vllm-0.vllm.prod.svc.cluster.local",
    "db.internal",
    "host.docker.internal:80",
    "localhost",
    "localhost:11434",
    "127.0.0.1",
    "10.20.30.40:99",
    "[::1]:8080",
    "[fe80::1:2]",
    UPSTREAM_KEY,
    "sk-proj-abcDEF***123",
    "gsk_abcdef123456",
    "hf_abcdefghij",
    "key-12345678",
    "token_abc123def",
    "AIzaSyA1234567890",
    "eyJhbGciOi.eyJzdWIi.c2ln",
    "Bearer abc",
]


@pytest.mark.parametrize("secret", HIDDEN)
@pytest.mark.parametrize("around", ["{}", "x {} y", 'for "{}".', "({})", "a={}, b"])
def test_addresses_and_keys_are_hidden(secret: str, around: str) -> None:
    """Alone, in a sentence, in quotes, in brackets, after an equals sign."""
    shown = public(around.format(secret))

    assert secret not in shown
    assert "[address]" in shown or "[key]" in shown


@pytest.mark.parametrize(
    "words",
    [
        "model llama3.2:8b not found",
        "qwen3.5:14 is loading",
        "api_version and key_points are unknown",
        "max_tokens:16384 is too large",
        "internal error in a local model",
        "version 1.2.3, at 12:30",
        "use `max_completion_tokens` (4096), e.g. 5.",
        "zażółć 漢字 😀",
    ],
)
def test_other_words_are_left_alone(words: str) -> None:
    """Names of models with a tag look much like an address, and are none."""
    assert public(words) == words


def test_one_bounded_printable_line() -> None:
    """No control characters, no line ends, 500 characters."""
    assert public("a\r\nb\x00\x1b[31m\u2028 c ") == "a b [31m c"
    assert public("x" * 600) == "x" * MAX_MESSAGE + "..."
    assert public("x" * MAX_MESSAGE) == "x" * MAX_MESSAGE


@fuzz
@given(st.text() | st.text("a.:/-[]01 sk_", max_size=80))
def test_any_text(text: str) -> None:
    """Whatever is said comes out printable, and comes out the same if it is said again."""
    shown = public(text)

    assert not shown or shown.isprintable()
    assert len(shown) <= MAX_MESSAGE + 3
