"""Whatever JSON a client sends as a request of Gemini's: it is read, or refused in a 400's words; in bounded time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_proxy.errors import InvalidRequest
from llm_proxy.faces.gemini.embed import embeddings
from llm_proxy.faces.gemini.native import without_our_signatures
from llm_proxy.faces.gemini.request import canonical, estimated_tokens
from llm_proxy.faces.gemini.schema import json_schema
from llm_proxy.faces.gemini.signature import sealed
from llm_proxy.wire.schema import ChatRequest
from providers.gemini.contents import with_any_signature

NAMES = (
    "contents parts text thought thoughtSignature inlineData fileData mimeType data fileUri functionCall functionResponse id "
    "name args response output error role systemInstruction tools functionDeclarations parameters parametersJsonSchema "
    "toolConfig functionCallingConfig mode allowedFunctionNames generationConfig thinkingConfig thinkingBudget "
    "thinkingLevel stopSequences maxOutputTokens topK responseMimeType responseSchema cachedContent computerUse "
    "executableCode codeExecutionResult toolCall requests content embedContentConfig outputDimensionality type items "
    "properties nullable anyOf enum generateContentRequest"
).split()
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 99),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        ["", "x", "user", "model", "ANY", "image/png", "AAAA", "OBJECT", sealed({"reasoning_content": "t"})]
    ),
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(NAMES), inner, max_size=5)
    ),
    max_leaves=25,
)
PARTS = st.lists(st.dictionaries(st.sampled_from(NAMES), JSON, max_size=3), max_size=4)
CONTENTS = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "model", "function"]), "parts": PARTS}),
    max_size=5,
)
BODIES = st.builds(
    lambda body, contents: {**body, "contents": contents},
    st.dictionaries(st.sampled_from(NAMES), JSON, max_size=5),
    CONTENTS | JSON,
)


@settings(max_examples=80, deadline=None)
@given(BODIES, st.sampled_from(["openai", "vllm", "ollama", "anthropic", "gemini"]))
def test_any_request(body: Any, kind: str) -> None:
    """What comes out is a sound canonical request; nothing else is ever raised but what is a 400."""
    try:
        ChatRequest.of(canonical(body, "m", kind, stream=False).sent)
    except InvalidRequest as error:
        assert error.problems
    for single in (True, False):
        try:
            embeddings(body, "m", single=single)
        except InvalidRequest as error:
            assert error.problems
    try:
        assert estimated_tokens(body) > 0
    except InvalidRequest as error:
        assert error.problems
    with_any_signature(without_our_signatures(body), "gemini-3")


@settings(max_examples=60, deadline=None)
@given(JSON)
def test_any_schema(value: Any) -> None:
    """A schema of any shape is read once, and then stays."""
    once = json_schema(value)
    assert json_schema(once) == once or "nullable" in repr(value)


@pytest.mark.parametrize("named", [True, False])
def test_many_calls(named: bool) -> None:
    """Ten thousand calls and their results, in the worst order, find each other: each is looked up, none searched for."""
    names = [f"f{number}" for number in range(10_000)]
    ids = [{"id": f"{name}-id"} if named else {} for name in names]
    calls = [{"functionCall": {"name": name, **one}} for name, one in zip(names, ids, strict=True)]
    results = [{"functionResponse": {"name": name, **one}} for name, one in zip(names, ids, strict=True)]
    contents = [{"role": "model", "parts": calls}, {"role": "user", "parts": results[:4_000:-1]}]
    found = canonical({"contents": contents}, "m", "openai", stream=False).sent["messages"]

    assert len(found[0]["tool_calls"]) == len(found) - 1 == 5_999
    assert "f0 with" in found[0]["content"]
