"""Every role, block, tool, field and event that the newest client of Anthropic's knows, asked of its own types: each is
translated, told as text, named as lost, or refused in words."""

from __future__ import annotations

import typing
from typing import Any

import pytest
from anthropic.types.beta import (
    BetaBrowserMemberInput,
    BetaComputerMemberInput,
    BetaContentBlockParam,
    BetaMessageParam,
    BetaRawContentBlockDelta,
    BetaStopReason,
    BetaSystemMessageParam,
    BetaToolUnionParam,
)
from anthropic.types.beta.message_create_params import MessageCreateParamsBase
from typing_extensions import is_typeddict

from llm_proxy.errors import GatewayError
from llm_proxy.faces.anthropic.request import canonical, read
from llm_proxy.faces.anthropic.toolsets import TOOLSETS
from llm_proxy.wire.answers import ends
from llm_proxy.wire.schema import ChatRequest
from providers.discovery import discover
from tests.support import gemini_rules, ollama_rules, openai_rules
from tests.support.native_kit import body_of, row
from tests.support.typed_examples import examples, literals, marks, members

PROVIDERS = discover()
API_TYPES = ("openai", "vllm", "ollama", "gemini")
USER: Any = {"role": "user", "content": "q"}
CALL: Any = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
RESULT: Any = {"type": "tool_result", "tool_use_id": "t1", "content": "r"}

#: What only Anthropic's servers can read, or only speaks to them: ids, signatures, what is encrypted, marks for caches,
#: who called a tool. The text of a citation stands in what it is cited on.
OPAQUE = frozenset(
    {
        *("signature", "data", "encrypted_content", "encrypted_stdout", "encrypted_index", "file_id", "id"),
        *("tool_use_id", "tool_id", "ttl", "type", "caller", "citations", "cited_text", "media_type"),
        *("document_title", "retrieved_at", "page_age", "from", "to", "model", "trigger", "toolset_name"),
        *("mcp_server_name", "tool_changes"),
    }
)


def blocks() -> list[Any]:
    found = []
    for member in members(BetaContentBlockParam):
        if not is_typeddict(member):
            continue  # answers, which may be sent back: of the same types
        kind = literals(member, "type")[0]
        found += [
            pytest.param(value, id=f"{kind}-{number}") for number, value in enumerate(examples(member, kind))
        ]
    return found


def conversation(block: Any) -> list[Any]:
    """A conversation in which ``block`` stands where the API wants it."""
    kind = block["type"]
    if kind == "tool_use":
        block = {**block, "id": "t1"}
        return [USER, {"role": "assistant", "content": [block]}, {"role": "user", "content": [RESULT]}]
    if kind == "tool_result":
        block = {**block, "tool_use_id": "t1"}
        return [USER, {"role": "assistant", "content": [CALL]}, {"role": "user", "content": [block]}]
    if kind in ("tool_addition", "tool_removal"):
        return [USER, {"role": "system", "content": [block]}]
    if kind in ("text", "image", "document", "search_result", "container_upload"):
        return [{"role": "user", "content": [block]}]
    said = {"type": "text", "text": "Said."}
    return [USER, {"role": "assistant", "content": [block, said]}, USER]


def sent(api_type: str, **fields: Any) -> tuple[Any, str]:
    """What an upstream of ``api_type`` gets, accepted by its rules, and what was named."""
    body = {"model": "m", "max_tokens": 9, "messages": [USER], **fields}
    chat = canonical(read(body), body, api_type, "up")
    model = "gemini-3-double" if api_type == "gemini" else "up"
    call = PROVIDERS[api_type].chat_call(ChatRequest.of(chat.sent), row(api_type, model))
    found = body_of(call)
    if api_type in ("openai", "vllm"):
        openai_rules.check_chat(found, unknown_fields=True)
        for part in (part for message in found["messages"] for part in message.get("content") or ()):
            assert not isinstance(part, dict) or part["type"] in ("text", "image_url", "file")
    elif api_type == "ollama":
        ollama_rules.check_chat(found, ("completion", "tools", "vision", "thinking"))
    else:
        gemini_rules.check(found, model)
    return found, " ".join((*chat.dropped, *call.dropped))


@pytest.mark.parametrize("api_type", API_TYPES)
@pytest.mark.parametrize("block", blocks())
def test_every_block(block: Any, api_type: str) -> None:
    """Accepted by the vendor's rules, and every text in it that a model could read has arrived; a picture or a file that
    the vendor cannot take is refused in words."""
    try:
        found, named = sent(api_type, messages=conversation(block), tools=[{"name": "f", "input_schema": {}}])
    except GatewayError as error:
        assert error.status == 400
        assert block["type"] in ("image", "document", "tool_result")
        assert "cannot" in error.message or "must be" in error.message
        return

    if block["type"] in (
        "thinking",
        "redacted_thinking",
        "mcp_tool_listing",
        "tool_addition",
        "tool_removal",
    ):
        return
    text = str(found)
    missing = [name for name, mark in marks(block, OPAQUE) if mark not in text and name not in named]
    assert not missing or (api_type, missing) == ("gemini", ["title"])  # of a file: Gemini's have no names


@pytest.mark.parametrize("api_type", API_TYPES)
@pytest.mark.parametrize(
    "tool",
    [
        pytest.param({**value, "type": kind}, id=kind)
        for member in members(BetaToolUnionParam)
        for kind in literals(member, "type")
        if isinstance(kind, str)
        for value in examples(member)[:1]
    ],
)
def test_every_tool(tool: Any, api_type: str) -> None:
    """What the client executes is offered under its own name, with a schema; the rest is named. Nothing else happens."""
    if tool["type"] == "custom":
        tool = {**tool, "name": "f", "input_schema": {"type": "object"}}
    found, named = sent(api_type, tools=[tool])
    offered = found.get("tools") or []
    if "functionDeclarations" in str(offered):
        names = [tool["name"] for tool in offered[0]["functionDeclarations"]]
    else:
        names = [tool["function"]["name"] for tool in offered]

    kind = tool["type"]
    if "toolset_2" in kind:
        family = kind.partition("_")[0]
        assert names == [f"{family}_{member}" for member in TOOLSETS[family]]
    elif kind.startswith(("web_", "code_execution", "tool_search", "mcp_toolset", "advisor")):
        assert (names, named) == ([], f"tools.0 ({tool.get('name') or tool.get('mcp_server_name')})")
    else:
        assert (names, named.removeprefix("tools.function.strict")) == ([tool["name"]], "")


@pytest.mark.parametrize(
    ("family", "inputs"), [("computer", BetaComputerMemberInput), ("browser", BetaBrowserMemberInput)]
)
def test_every_member_of_a_toolset(family: str, inputs: Any) -> None:
    """Each takes exactly the fields that the vendor's types have, and requires those that they require."""
    types = [getattr(member, "__name__", "") for member in members(inputs)]
    assert len(types) == len(TOOLSETS[family])
    for member in members(inputs):
        name = "".join(f"_{c.lower()}" if c.isupper() else c for c in member.__name__)[1:]
        name = name.removeprefix(f"beta_{family}_").removesuffix("_input")
        schema = TOOLSETS[family][name][1]
        fields = {field.alias or key: field for key, field in member.model_fields.items()}

        assert schema["properties"].keys() == fields.keys(), name
        assert set(schema.get("required", ())) == {key for key, f in fields.items() if f.is_required()}, name


def test_every_role() -> None:
    """A message in each role that the types know, over each upstream; a system's text arrives whatever stands there."""
    roles = {role for member in members(BetaMessageParam) for role in literals(member, "role")}
    assert roles == {"user", "assistant", "system"}
    for message in examples(BetaSystemMessageParam, "system"):
        for api_type in API_TYPES:
            said = "Said." if not isinstance(message["content"], str) else message["content"]
            content = [{"type": "text", "text": said}, *message["content"]] if said == "Said." else said
            spoken = {**message, "content": content, "clear_at": "never"}
            found, _ = sent(api_type, messages=[USER, spoken, {"role": "assistant", "content": "a"}, USER])
            assert said in str(found)


#: The parameters that are headers of the client's, and those that are checked in tests of their own.
ELSEWHERE = {"betas", "user_profile_id", "workspace_id", "model", "messages", "max_tokens", "stream", "tools"}
#: A mark for a cache, a choice among no tools, and thinking that is left to the model.
SAYS_NOTHING = ("cache_control", "tool_choice", "thinking")


@pytest.mark.parametrize("name", sorted(typing.get_type_hints(MessageCreateParamsBase).keys() - ELSEWHERE))
def test_every_parameter(name: str) -> None:
    """It changes what is sent, or it is named; what would make another answer is refused. Thinking as the model sees fit
    asks for nothing."""
    plain, _ = sent("openai")
    for value in examples(typing.get_type_hints(MessageCreateParamsBase)[name], name):
        try:
            found, named = sent("openai", **{name: value})
        except GatewayError as error:
            assert (error.status, name in ("thread", "compaction")) == (400, True)
            continue
        assert found != plain or name in named or name in SAYS_NOTHING, value


def test_every_event() -> None:
    """The reader of streams knows each delta and each reason of an end; a compaction is never asked for."""
    deltas = {literals(member, "type")[0] for member in members(BetaRawContentBlockDelta)}
    known = {"text_delta", "input_json_delta", "citations_delta", "thinking_delta", "signature_delta"}
    assert deltas - {"compaction_delta"} == known
    assert all(map(ends.is_known, typing.get_args(BetaStopReason)))
