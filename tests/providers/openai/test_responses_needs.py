"""What a request needs of a Responses API, and which vendors lack it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.wire.calls import Deployment
from providers.openai.provider import OpenAIProvider
from providers.openai.responses_needs import needs
from providers.vendors import VENDORS
from tests.support.responses_types import item_types, tool_types

MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed"}
TEXT = {"type": "output_text", "text": "a", "annotations": []}
PICTURE = {"type": "input_image", "image_url": "data:image/png;base64,AA=="}
#: Fields of a request, and the words for what they need.
NEEDS: list[tuple[dict[str, Any], str]] = [
    ({}, ""),
    ({"instructions": "i", "temperature": 0, "store": True, "truncation": "auto", "stream": True}, ""),
    ({"input": [{"role": "user", "content": "a"}, {"role": "developer", "content": [PICTURE]}]}, ""),
    ({"input": [{**MESSAGE, "content": [TEXT]}]}, ""),
    ({"text": {"format": {"type": "text"}, "verbosity": "low"}, "tool_choice": "auto", "include": []}, ""),
    ({"text": {"format": {"type": "json_schema"}}}, "schemas"),
    ({"text": {"format": {"type": "json_object"}}}, "json"),
    ({"text": {"format": {"type": "grammar"}}}, "schemas"),
    ({"tools": [{"type": "function", "name": "f"}], "tool_choice": "none"}, "functions tool_choice"),
    ({"tools": [{"type": "function", "name": "f", "defer_loading": True}]}, "client_tools"),
    ({"tool_choice": {"type": "function", "name": "f"}}, "tool_choice"),
    ({"tools": [{"type": "web_search"}, 7]}, "hosted_tools"),
    ({"tools": [{"type": "custom"}, {"type": "mcp"}]}, "client_tools hosted_tools"),
    ({"input": [{"type": "function_call", "name": "f"}]}, "functions"),
    ({"input": [{"type": "function_call", "name": "f", "namespace": "n"}]}, "client_tools"),
    ({"input": [{"type": "additional_tools", "tools": []}]}, "client_tools"),
    ({"input": [{"type": "configuration_update"}]}, "client_tools"),
    ({"input": [{"type": "custom_tool_call_output"}]}, "client_tools"),
    ({"input": [{"type": "web_search_call"}]}, "hosted_tools"),
    ({"input": [{"type": "function_call_output", "output": "a"}]}, "functions"),
    ({"input": [{"type": "function_call_output", "output": [{"type": "input_text"}]}]}, "functions"),
    ({"input": [{"type": "function_call_output", "output": [PICTURE]}]}, "functions files"),
    ({"input": [{"role": "user", "content": [{"type": "input_file", "file_data": "x"}]}]}, "files"),
    ({"input": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "files"),
    ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}, "kept"),
    ({"input": [{"role": "assistant", "content": "a"}]}, "short_turns"),
    ({"input": [{**MESSAGE, "content": [{"type": "refusal", "refusal": "no"}]}]}, "short_turns"),
    ({"input": [{"type": "reasoning", "summary": []}]}, "thoughts"),
    ({"input": [{"type": "reasoning", "content": [{"text": "hm"}], "encrypted_content": "x"}]}, "thoughts"),
    ({"input": [{"type": "reasoning", "content": [{"text": "hm"}]}]}, ""),
    ({"input": [{"type": "item_reference", "id": "x"}]}, "kept"),
    ({"input": [{"type": "compaction", "encrypted_content": "x"}]}, "compaction"),
    ({"input": [{"type": "compaction_trigger"}]}, "compaction"),
    ({"previous_response_id": "r"}, "kept"),
    ({"conversation": {"id": "c"}}, "kept"),
    ({"prompt": {"id": "p"}}, "kept"),
    ({"background": True}, "kept"),
    ({"background": False, "previous_response_id": None, "conversation": ""}, ""),
    ({"reasoning": {"effort": "low"}}, "effort"),
    ({"reasoning": {"effort": None, "summary": "auto"}}, ""),
    ({"top_logprobs": 2}, "logprobs"),
    ({"include": ["message.output_text.logprobs"]}, "logprobs"),
    ({"include": ["reasoning.encrypted_content"]}, ""),
]


@pytest.mark.parametrize(("body", "words"), NEEDS)
def test_what_is_needed(body: dict[str, Any], words: str) -> None:
    """In the words of the rows."""
    assert needs(body) == frozenset(words.split())


def test_every_kind_has_a_word() -> None:
    """Of tools and items that the newest client knows, but for plain messages and thoughts in words."""
    for kind in tool_types():
        assert needs({"tools": [{"type": kind}]}), kind
    for kind in item_types() - {"message"}:
        assert needs({"input": [{"type": kind}]}), kind


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = ("tools", "input", "text", "tool_choice", "reasoning", "include", "type", "role", "content", "output")
ODD = st.recursive(
    JSON, lambda inner: st.dictionaries(st.sampled_from(NAMES), inner, max_size=4), max_leaves=8
)


@given(st.dictionaries(st.sampled_from(NAMES), ODD | st.lists(ODD, max_size=3)))
def test_whatever_is_sent_is_read(body: dict[str, Any]) -> None:
    """Nothing is raised: the upstream judges it."""
    words = {word for row in VENDORS.values() for word in row.responses_lack} | {"kept"}
    assert needs(body) <= words


#: Vendors, what is asked for, and whether it goes to their Responses API.
TAKEN: list[tuple[str, dict[str, Any], bool]] = [
    ("llamacpp", {"input": "x", "tools": [{"type": "function", "name": "f"}]}, True),
    ("llamacpp", {"text": {"format": {"type": "json_schema"}}}, False),
    ("llamacpp", {"previous_response_id": "r"}, False),
    ("llamacpp", {"input": [{"role": "assistant", "content": "a"}, {"role": "user", "content": "b"}]}, False),
    ("vllm", {"text": {"format": {"type": "json_schema"}}, "reasoning": {"effort": "low"}}, True),
    ("vllm", {"text": {"format": {"type": "json_object"}}}, False),
    ("vllm", {"text": {"format": {"type": "json_object"}}, "previous_response_id": "r"}, True),
    ("vllm", {"input": [{"type": "function_call", "namespace": "n"}]}, False),
    ("lmstudio", {"previous_response_id": "r", "tools": [{"type": "mcp"}]}, True),
    ("lmstudio", {"text": {"format": {"type": "json_schema"}}}, False),
    ("sglang", {"tools": [{"type": "function", "name": "f"}]}, False),
    ("sglang", {"tools": [{"type": "web_search_preview"}]}, True),
    ("ollama", {"tools": [{"type": "function"}], "text": {"format": {"type": "json_schema"}}}, True),
    ("ollama", {"tools": [{"type": "function"}], "tool_choice": "required"}, False),
    ("ollama", {"previous_response_id": "r"}, False),
    ("openrouter", {"tools": [{"type": "function"}], "text": {"format": {"type": "json_schema"}}}, True),
    ("openrouter", {"tools": [{"type": "custom"}]}, False),
    ("litellm", {"previous_response_id": "r"}, True),
    ("openai", {"tools": [{"type": "custom"}], "input": [{"type": "compaction"}]}, True),
    ("azure", {"tools": [{"type": "namespace"}], "background": True}, True),
]


@pytest.mark.parametrize(("vendor", "body", "taken"), TAKEN)
def test_which_requests_are_taken(vendor: str, body: dict[str, Any], taken: bool) -> None:
    """By a vendor's Responses API; where the row asks for that API, all are."""
    call = OpenAIProvider().native("/v1/responses")
    assert call is not None
    row = Deployment("p", "m", "openai", "http://h", "m", vendor=vendor)
    assert call.takes(body, row) == taken
    asked = Deployment("p", "m", "openai", "http://h", "m", vendor=vendor, api="responses")
    assert call.takes(body, asked)


def test_words_of_the_rows() -> None:
    """Are words that a request can have."""
    words = {word for _, found in NEEDS for word in found.split()}
    for row in VENDORS.values():
        assert row.responses_lack <= words, row.name
