"""What lists of models say of each, in the words of many servers, and what names say. Pure."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.common.about import About, by_name, of_entry, of_list, of_ollama

ENTRIES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "OpenAI": ({"id": "m", "object": "model", "created": 1, "owned_by": "system"}, {}),
    "vLLM": (
        {"id": "m", "object": "model", "owned_by": "vllm", "root": "m", "max_model_len": 4096},
        {"context": 4096},
    ),
    "llama.cpp": (
        {"id": "m", "owned_by": "llamacpp", "meta": {"vocab_type": 1, "n_ctx_train": 8192, "size": 1}},
        {"context": 8192},
    ),
    "LM Studio v0": (
        {
            "id": "m",
            "type": "vlm",
            "compatibility_type": "gguf",
            "max_context_length": 32768,
            "capabilities": ["tool_use"],
        },
        {"completion": True, "vision": True, "tools": True, "embedding": False, "context": 32768},
    ),
    "LM Studio v0, text": (
        {"id": "m", "type": "llm", "compatibility_type": "mlx", "max_context_length": 32768},
        {"completion": True, "vision": False, "embedding": False, "context": 32768},
    ),
    "LM Studio v0, embeddings": (
        {"id": "m", "type": "embeddings", "max_context_length": 2048},
        {
            "completion": False,
            "embedding": True,
            "tools": False,
            "vision": False,
            "thinking": False,
            "context": 2048,
        },
    ),
    "LM Studio v1": (
        {
            "key": "m",
            "max_context_length": 4096,
            "capabilities": {
                "vision": False,
                "trained_for_tool_use": True,
                "reasoning": {"allowed_options": ["off", "on"], "default": "on"},
            },
        },
        {"vision": False, "tools": True, "thinking": True, "context": 4096},
    ),
    "OpenRouter": (
        {
            "id": "m",
            "context_length": 200000,
            "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
            "supported_parameters": ["max_tokens", "tools", "reasoning", "include_reasoning"],
        },
        {"vision": True, "tools": True, "thinking": True, "context": 200000},
    ),
    "OpenRouter, plain": (
        {
            "id": "m",
            "context_length": 8000,
            "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]},
            "supported_parameters": ["max_tokens"],
        },
        {"vision": False, "tools": False, "thinking": False, "context": 8000},
    ),
    "Mistral": (
        {
            "id": "m",
            "max_context_length": 131072,
            "capabilities": {
                "completion_chat": True,
                "completion_fim": False,
                "function_calling": True,
                "vision": False,
                "fine_tuning": False,
            },
        },
        {"completion": True, "insert": False, "tools": True, "vision": False, "context": 131072},
    ),
    "Groq": ({"id": "m", "active": True, "context_window": 131072}, {"context": 131072}),
    "Moonshot": (
        {"id": "m", "context_length": 262144, "supports_image_in": True, "supports_reasoning": False},
        {"vision": True, "thinking": False, "context": 262144},
    ),
    "Fireworks": (
        {
            "id": "m",
            "context_length": 8192,
            "supports_chat": True,
            "supports_image_input": False,
            "supports_tools": True,
        },
        {"completion": True, "vision": False, "tools": True, "context": 8192},
    ),
    "Anthropic": (
        {
            "id": "m",
            "type": "model",
            "max_input_tokens": 200000,
            "capabilities": {
                "image_input": {"supported": True},
                "thinking": {"supported": True, "types": {"adaptive": {"supported": False}}},
            },
        },
        {"vision": True, "thinking": True, "context": 200000},
    ),
    "Google": (
        {
            "name": "models/m",
            "inputTokenLimit": 1048576,
            "supportedGenerationMethods": ["generateContent", "countTokens"],
            "thinking": True,
        },
        {"completion": True, "embedding": False, "thinking": True, "context": 1048576},
    ),
    "Google, embeddings": (
        {"name": "models/m", "inputTokenLimit": 2048, "supportedGenerationMethods": ["embedContent"]},
        {"completion": False, "embedding": True, "context": 2048},
    ),
    "Together": (
        {"id": "m", "type": "chat", "context_length": 131072},
        {"context": 131072},
    ),
}


@pytest.mark.parametrize("server", ENTRIES)
def test_entries(server: str) -> None:
    """Each server's own words, and nothing that they do not say."""
    entry, says = ENTRIES[server]

    assert of_entry(entry) == About(**says)
    found = of_list(json.dumps({"object": "list", "data": [entry]}).encode())
    assert About(**says) in found.values()


def test_llama_cpp_says_it_in_two_lists() -> None:
    """What stands in one and what stands in the other are of one model."""
    body = {
        "models": [{"name": "m", "model": "m", "capabilities": ["completion", "multimodal"]}],
        "data": [{"id": "m", "meta": {"n_ctx_train": 8192}}],
    }
    assert of_list(json.dumps(body).encode())["m"] == About(completion=True, vision=True, context=8192)


def test_ollamas_own_words() -> None:
    """A list of capabilities is whole: what it lacks the model cannot; an older server has none."""
    info = {"general.architecture": "qwen3", "qwen3.context_length": 40960}
    new = of_ollama(json.dumps({"capabilities": ["completion", "thinking"], "model_info": info}).encode())
    old = of_ollama(json.dumps({"model_info": info}).encode())

    assert (new.thinking, new.tools, new.vision, new.embedding, new.context) == (
        True,
        False,
        False,
        False,
        40960,
    )
    assert old == About(context=40960)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "data",
                    "models",
                    "id",
                    "capabilities",
                    "architecture",
                    "input_modalities",
                    "model_info",
                    "type",
                    "meta",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_nonsense_says_nothing_and_breaks_nothing(value: Any) -> None:
    """Whatever a server answers."""
    body = json.dumps(value).encode()
    for read in (of_list, of_ollama):
        read(body)
    of_list(body[:-1])


NAMES = [
    ("qwen3:8b", True),
    ("deepseek-r1:14b", True),
    ("gpt-oss:20b", True),
    ("openai/gpt-5.1", True),
    ("o3-mini", True),
    ("claude-sonnet-4-5", True),
    ("anthropic/claude-3-7-sonnet-latest", True),
    ("gemini-2.5-pro", True),
    ("Qwen/Qwen3-30B-A3B-Thinking-2507", True),
    ("magistral-small", True),
    ("Qwen/Qwen3-30B-A3B-Instruct-2507", None),
    ("qwen3-coder:30b", None),
    ("llama3.2", None),
    ("gpt-4o", None),
    ("claude-3-5-haiku", None),
    ("gemini-2.0-flash", None),
    ("polo3", None),
    ("mistral-small", None),
]


@pytest.mark.parametrize(("name", "thinks"), NAMES)
def test_names_of_models_that_think(name: str, thinks: bool | None) -> None:
    """Well-known families only; a name never says that a model does not."""
    assert by_name(name).thinking is thinks


@pytest.mark.parametrize(
    "name",
    ["nomic-embed-text", "text-embedding-3-small", "BAAI/bge-m3", "intfloat/e5-large", "qwen3-embedding:8b"],
)
def test_names_of_models_that_embed(name: str) -> None:
    """They do nothing else."""
    assert by_name(name) == About(False, False, False, False, True, False)


@pytest.mark.parametrize(
    ("name", "sees"), [("llava:7b", True), ("gpt-4o-mini", True), ("qwen2.5-vl", True), ("phi3", None)]
)
def test_names_of_models_that_see(name: str, sees: bool | None) -> None:
    """Well-known ones."""
    assert by_name(name).vision is sees
