"""What goes to Ollama's /api/chat beside the messages: options, and who of client and configuration wins."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.native_kit import ask, body_of, row
from tests.support.ollama_kit import OLLAMA, made
from tests.support.ollama_rules import BOOLEANS, DECIMALS, INTEGERS
from tests.support.secrets import UPSTREAM_KEY


@pytest.mark.parametrize(("stream", "accept"), [(True, "application/x-ndjson"), (False, "application/json")])
def test_the_frame_of_a_call(stream: bool, accept: str) -> None:
    """The native path; ``stream`` is always said, because absent means true there."""
    call = OLLAMA.chat_call(ask(stream=stream), row("ollama", "up"))

    assert (call.method, call.url, call.stream) == ("POST", "https://upstream.test/api/chat", stream)
    assert body_of(call)["stream"] is stream
    assert dict(call.headers) == {
        "Content-Type": "application/json",
        "Accept": accept,
        "Authorization": f"Bearer {UPSTREAM_KEY}",
    }


#: Canonical fields, and the same as Ollama's options.
TRANSLATED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"max_tokens": 5}, {"num_predict": 5}),
    ({"max_completion_tokens": 5}, {"num_predict": 5}),
    ({"max_new_tokens": 5}, {"num_predict": 5}),
    ({"repetition_penalty": 1.1}, {"repeat_penalty": 1.1}),
    ({"temperature": 0, "top_p": 0.5, "seed": 7}, {"temperature": 0, "top_p": 0.5, "seed": 7}),
    ({"presence_penalty": 1, "frequency_penalty": -1}, {"presence_penalty": 1, "frequency_penalty": -1}),
    ({"stop": "x"}, {"stop": ["x"]}),
    ({"stop": ["x", "y"]}, {"stop": ["x", "y"]}),
    ({"num_ctx": 4096, "num_predict": -1}, {"num_ctx": 4096, "num_predict": -1}),
    ({"top_k": 0, "min_p": 0.1, "typical_p": 0.9}, {"top_k": 0, "min_p": 0.1, "typical_p": 0.9}),
    (
        {"repeat_last_n": 64, "mirostat": 1, "use_mmap": False},
        {"repeat_last_n": 64, "mirostat": 1, "use_mmap": False},
    ),
    ({"options": {"num_ctx": 1, "newer_than_us": {"x": 1}}}, {"num_ctx": 1, "newer_than_us": {"x": 1}}),
    # Go's decoder takes no 5.0 for an integer.
    ({"num_ctx": 4096.0, "top_k": 5.0}, {"num_ctx": 4096, "top_k": 5}),
    ({"options": {"num_gpu": 1e1, "temperature": 1.0}}, {"num_gpu": 10, "temperature": 1.0}),
    ({"num_ctx": 0.5}, {"num_ctx": 0.5}),
]


@pytest.mark.parametrize(("fields", "options"), TRANSLATED)
@pytest.mark.parametrize("where", ["request", "configuration"])
def test_sampling(fields: dict[str, Any], options: dict[str, Any], where: str) -> None:
    """Canonical names are translated, its own pass, from a request and from the configuration; numbers fit its types."""
    body, dropped = made(**fields) if where == "request" else made(fields)

    assert (body, dropped) == ({"options": options}, ())
    assert {k: type(v) for k, v in body["options"].items()} == {k: type(v) for k, v in options.items()}


def test_every_option_that_the_double_knows() -> None:
    """None of Ollama's own names is lost."""
    known = INTEGERS | DECIMALS | BOOLEANS
    body, dropped = made(**dict.fromkeys(known, 1))

    assert (body["options"].keys(), dropped) == (known, ())


WINNERS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    # What the client says wins, in whichever words.
    ({"num_predict": 1}, {"max_tokens": 9}, {"num_predict": 1}),
    ({"max_tokens": 1}, {"num_predict": 9}, {"num_predict": 1}),
    ({"repeat_penalty": 2}, {"repetition_penalty": 9}, {"repeat_penalty": 2}),
    ({"options": {"num_predict": 1}}, {"max_tokens": 9}, {"num_predict": 1}),
    ({"options": {"temperature": 1}}, {"temperature": 9}, {"temperature": 1}),
    ({"temperature": 1}, {"options": {"temperature": 9, "num_ctx": 2}}, {"temperature": 1, "num_ctx": 2}),
    # On one level the canonical name does, and the newer one of two.
    ({"max_tokens": 1, "num_predict": 9}, {}, {"num_predict": 1}),
    ({"max_tokens": 9, "max_completion_tokens": 1}, {}, {"num_predict": 1}),
    ({"temperature": 1, "options": {"temperature": 9}}, {}, {"temperature": 1}),
    ({}, {"max_tokens": 1, "num_predict": 9}, {"num_predict": 1}),
    # A null says nothing.
    ({"temperature": None}, {"temperature": 1}, {"temperature": 1}),
    (
        {"temperature": None, "options": {"temperature": 1, "seed": None}},
        {"seed": 2},
        {"temperature": 1, "seed": 2},
    ),
    ({"max_completion_tokens": None, "max_tokens": 1}, {}, {"num_predict": 1}),
]


@pytest.mark.parametrize(("fields", "options", "used"), WINNERS)
def test_who_wins(fields: dict[str, Any], options: dict[str, Any], used: dict[str, Any]) -> None:
    """The client over the configuration, the canonical name over Ollama's own."""
    assert made(options, **fields) == ({"options": used}, ())


@pytest.mark.parametrize(
    ("options", "deployment", "fields", "used"),
    [
        ({}, None, {}, None),
        ({}, "30m", {}, "30m"),
        ({}, 0, {}, 0),
        ({"keep_alive": -1}, "30m", {}, -1),
        ({"keep_alive": -1}, "30m", {"keep_alive": "1h"}, "1h"),
        ({}, "30m", {"keep_alive": 0}, 0),
    ],
)
def test_keep_alive(options: Any, deployment: Any, fields: Any, used: Any) -> None:
    """Top level, from the client, the options or the deployment; zero is a value."""
    body, dropped = made(options, deployment, **fields)

    assert (body, dropped) == ({} if used is None else {"keep_alive": used}, ())
