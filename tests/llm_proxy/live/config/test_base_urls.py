"""Base URLs that are not what is meant: what is taken as it is meant, and what is warned of."""

from __future__ import annotations

import pytest

from tests.support.config_kit import load, row

TAKEN = [
    ("anthropic", "https://api.anthropic.com/v1", "https://api.anthropic.com"),
    ("anthropic", "http://box/a/v1/", "http://box/a"),
    (
        "gemini",
        "https://generativelanguage.googleapis.com/v1beta",
        "https://generativelanguage.googleapis.com",
    ),
    ("gemini", "http://box/v1", "http://box"),
    ("ollama", "http://127.0.0.1:11434/v1", "http://127.0.0.1:11434"),
    ("ollama", "http://127.0.0.1:11434/api", "http://127.0.0.1:11434"),
]
SOUND = [
    ("anthropic", "https://api.anthropic.com"),
    ("anthropic", "https://api.deepseek.com/anthropic"),
    ("gemini", "https://generativelanguage.googleapis.com"),
    ("ollama", "http://127.0.0.1:11434"),
    ("ollama", "http://box/ollama"),
    ("openai", "https://api.openai.com/v1"),
    ("vllm", "http://box:8000/v1"),
    ("openai", "https://gateway.example/v1/account/openai/v1"),
    ("openai", "https://x.openai.azure.com/openai/v1"),
    ("openai", "https://api.deepseek.com"),
    ("openai", "http://box:8080"),
    ("openai", "http://box/models-of-mine"),
]


@pytest.mark.parametrize(("kind", "given", "kept"), TAKEN)
def test_what_is_taken(kind: str, given: str, kept: str) -> None:
    """The vendors' own base URLs, whose version the adapter puts there itself, are taken, and it is said."""
    config = load({"box": {"m": {"api_type": kind, "api_host": given}}})

    assert [deployment.api_host for deployment in config.deployments] == [kept]
    (warning,) = config.warnings
    assert "is taken off" in warning.message


@pytest.mark.parametrize(("kind", "given"), SOUND)
def test_what_is_sound(kind: str, given: str) -> None:
    """Nobody is warned."""
    document = {"box": {"m": {"api_type": kind, "api_host": given}}}

    assert row(document).api_host == given
    assert load(document).warnings == ()


DOUBTED = [
    *(
        (kind, f"http://box/v1{path}", "endpoint")
        for kind in ("openai", "vllm", "anthropic")
        for path in (
            "/chat/completions",
            "/completions",
            "/responses",
            "/messages",
            "/embeddings",
            "/models",
            "/models/",
        )
    ),
    ("ollama", "http://box:11434/api/chat", "endpoint"),
    ("ollama", "http://box:11434/api/generate", "endpoint"),
    ("ollama", "http://box:11434/api/tags", "endpoint"),
    ("openai", "http://box:11434/api/chat", "endpoint"),
    ("gemini", "http://box/v1beta/models/gemini-2.5-pro:generateContent", "endpoint"),
    ("gemini", "http://box/v1beta/models", "endpoint"),
    ("openai", "https://api.openai.com/v1/v1", "twice"),
    ("vllm", "http://box/v1/v1", "twice"),
    ("anthropic", "https://api.anthropic.com/v1/v1", "twice"),
    ("gemini", "http://box/v1beta/v1beta", "twice"),
    ("ollama", "http://box/v1/v1", "twice"),
    ("openai", "https://api.openai.com", "/v1"),
    ("openai", "https://api.groq.com", "/openai/v1"),
    ("openai", "https://api.groq.com/openai", "/openai/v1"),
    ("openai", "https://openrouter.ai/api", "/api/v1"),
    ("openai", "https://x.openai.azure.com", "/openai/v1"),
    ("openai", "http://127.0.0.1:11434", "/v1"),
    ("vllm", "http://box:8000", "/v1"),
]


@pytest.mark.parametrize(("kind", "given", "word"), DOUBTED)
def test_what_is_doubted(kind: str, given: str, word: str) -> None:
    """What surely leads nowhere is accepted with a warning at its place, in a model as in ``defaults``, at each load."""
    fields = {"api_type": kind, "api_host": given}
    for place, document in (
        ("m", {"box": {"m": fields}}),
        ("defaults", {"box": {"defaults": fields, "m": {}}}),
    ):
        first = load(document)
        for config in (first, load(document, previous=first)):
            (warning,) = config.warnings
            assert warning.path == f"box.{place}.api_host"
            assert word in warning.message
            assert "box/" not in warning.message
            assert warning.line > 1


def test_the_type_may_come_from_elsewhere() -> None:
    """From ``defaults`` or from the provider's name: it decides what is wrong."""
    by_defaults = {"box": {"defaults": {"api_type": "vllm"}, "m": {"api_host": "http://box:8000"}}}
    by_name = {"anthropic": {"m": {"api_host": "https://api.anthropic.com/v1/v1"}}}

    assert [len(load(document).warnings) for document in (by_defaults, by_name)] == [1, 1]
