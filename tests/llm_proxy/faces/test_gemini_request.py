"""Gemini's requests as canonical ones: every part, field, tool and form of a schema, in either spelling."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from llm_proxy.errors import InvalidRequest
from llm_proxy.faces.gemini.names import camel
from llm_proxy.faces.gemini.request import canonical
from llm_proxy.faces.gemini.schema import json_schema
from llm_proxy.faces.gemini.signature import opened, sealed
from llm_proxy.wire.schema import ChatRequest

Json = dict[str, Any]

KINDS = ("openai", "vllm", "ollama", "anthropic", "gemini")
USER: Json = {"role": "user", "parts": [{"text": "hi"}]}
PIXEL = "iVBORw0KGgo="
F: Json = {"name": "f", "parametersJsonSchema": {"type": "object", "properties": {}}}


def made(body: Json, kind: str = "openai") -> tuple[Json, tuple[str, ...]]:
    """The canonical body, which is a sound one, and what was dropped."""
    found = canonical(body, "m", kind, stream=False)
    ChatRequest.of(found.sent)
    return found.sent, found.dropped


def messages(*contents: Json, kind: str = "openai", **more: Any) -> list[Json]:
    """The canonical messages for ``contents``."""
    found: list[Json] = made({"contents": list(contents), **more}, kind)[0]["messages"]
    return found


def model(*parts: Json) -> Json:
    return {"role": "model", "parts": list(parts)}


def user(*parts: Json) -> Json:
    return {"role": "user", "parts": list(parts)}


def call(name: str = "f", **more: Any) -> Json:
    return {"functionCall": {"name": name, "args": {"x": 1}, **more}}


def result(name: str = "f", response: Any = None, **more: Any) -> Json:
    return {"functionResponse": {"name": name, "response": response or {"output": "r"}, **more}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"text": "hi"}, "hi"),
        (
            {"inlineData": {"mimeType": "image/png", "data": PIXEL}},
            [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}],
        ),
        # The alphabet, and the missing padding, of Google's client for Python.
        (
            {"inlineData": {"mimeType": "image/jpeg", "data": "_-8"}},
            [{"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,/+8="}}],
        ),
        (
            {"inlineData": {"mimeType": "audio/mpeg", "data": "AAAA"}},
            [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}],
        ),
        (
            {"inlineData": {"mimeType": "video/mp4", "data": "AAAA"}},
            [{"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}}],
        ),
        ({"inlineData": {"mimeType": "text/markdown", "data": base64.b64encode(b"# hi").decode()}}, "# hi"),
        (
            {"inlineData": {"mimeType": "application/pdf", "data": "AAAA"}},
            [
                {
                    "type": "file",
                    "file": {"filename": "document.pdf", "file_data": "data:application/pdf;base64,AAAA"},
                }
            ],
        ),
        (
            {"fileData": {"mimeType": "image/png", "fileUri": "https://x.example/a"}},
            [{"type": "image_url", "image_url": {"url": "https://x.example/a"}}],
        ),
        (
            {"fileData": {"fileUri": "https://x.example/a.JPG?b"}},
            [{"type": "image_url", "image_url": {"url": "https://x.example/a.JPG?b"}}],
        ),
        (
            {"fileData": {"mimeType": "application/pdf", "fileUri": "https://x.example/a.pdf"}},
            [{"type": "file", "file": {"filename": "a.pdf", "file_data": "https://x.example/a.pdf"}}],
        ),
        ({"executableCode": {"language": "PYTHON", "code": "1+1"}}, "```python\n1+1\n```\n"),
        ({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}}, "```\n2\n```\n"),
    ],
)
@pytest.mark.parametrize("spelled", ["camelCase", "snake_case"])
def test_parts(given: Json, expected: Any, spelled: str) -> None:
    """Each kind of part, as Google writes it and with underscores."""
    if spelled == "snake_case":
        given = snake(given)

    assert messages(user(given)) == [{"role": "user", "content": expected}]


def snake(value: Any) -> Any:
    """The same with underscores in every name."""
    if isinstance(value, list):
        return [snake(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {"".join("_" + c.lower() if c.isupper() else c for c in key): snake(v) for key, v in value.items()}


@pytest.mark.parametrize(
    ("part", "where"),
    [
        ({"fileData": {"fileUri": "gs://bucket/a"}}, "contents.0.parts.0.fileData.fileUri"),
        (
            {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/x"}},
            "contents.0.parts.0.fileData.fileUri",
        ),
        ({"inlineData": {"data": "AAAA"}}, "contents.0.parts.0.inlineData.mimeType"),
        ({"inlineData": "x"}, "contents.0.parts.0.inlineData"),
        ({"somethingNew": {}}, "contents.0.parts.0"),
        (call(), "contents.0.parts.0"),
        ({"functionResponse": 1}, "contents.0.parts.0.functionResponse"),
        (7, "contents.0.parts.0"),
    ],
)
def test_parts_that_are_none(part: Any, where: str) -> None:
    """What cannot be sent is refused where it stands."""
    with pytest.raises(InvalidRequest) as caught:
        made({"contents": [user(part)]})

    assert caught.value.param == where


@pytest.mark.parametrize(
    "contents",
    [
        [USER],
        USER,
        {"parts": {"text": "hi"}},
        [{"parts": [{"text": "hi"}, None]}],
        ["hi"],
        [{"role": "USER", "parts": ["hi"]}],
    ],
)
def test_forms_of_contents(contents: Any) -> None:
    """One content for a list of one, no role for a user, and the older short forms."""
    assert made({"contents": contents})[0]["messages"] == [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    "instruction",
    [
        {"parts": [{"text": "s"}]},
        {"role": "user", "parts": [{"text": "s"}]},
        {"parts": {"text": "s"}},
        {"text": "s"},
        [{"text": "s"}],
        "s",
    ],
)
@pytest.mark.parametrize("name", ["systemInstruction", "system_instruction"])
def test_forms_of_the_instruction(instruction: Any, name: str) -> None:
    """The instruction as a content with and without a role, a part, a list and a text."""
    assert messages(USER, **{name: instruction})[0] == {"role": "system", "content": "s"}


def test_pieces_of_a_stream_are_one_turn() -> None:
    """Clients keep each response as a content of its own: texts, thoughts and calls are one message again."""
    found = messages(
        USER,
        model({"text": "Let", "thought": True}),
        model({"text": " me.", "thought": True}),
        model({"text": "a"}),
        model({"text": "b"}, call(id="1")),
        model({"text": ""}),
        user(result(id="1")),
    )

    assert found[1:] == [
        {
            "role": "assistant",
            "content": "ab",
            "reasoning_content": "Let me.",
            "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "1", "content": "r"},
    ]


@pytest.mark.parametrize(
    ("results", "order"),
    [
        ([result("f", {"output": "1"}), result("g", {"output": "2"}), result("f", {"output": "3"})], "123"),
        ([result("g", {"output": "2"}), result("f", {"output": "1"}), result("f", {"output": "3"})], "213"),
        (
            [
                result("f", {"output": "3"}, id="c"),
                result("g", {"output": "2"}),
                result("f", {"output": "1"}),
            ],
            "321",
        ),
    ],
)
@pytest.mark.parametrize("role", ["user", "function", "tool"])
def test_results_find_their_calls(results: list[Json], order: str, role: str) -> None:
    """By the id, else by the name, in order; the role of results was ``function`` once."""
    asked = model(call("f"), call("g"), call("f", id="c"))
    found = messages(USER, asked, {"role": role, "parts": results})
    ids = [one["id"] for one in found[1]["tool_calls"]]

    assert len(set(ids)) == 3
    answered = {message["tool_call_id"]: message["content"] for message in found[2:]}
    assert [answered[one] for one in ids] == ["1", "2", "3"]
    assert [message["content"] for message in found[2:]] == list(order)


@pytest.mark.parametrize(
    ("response", "text"),
    [
        ({"output": "t"}, "t"),
        ({"result": "t"}, "t"),
        ({"content": "t"}, "t"),
        ({"output": {"a": 1}}, '{"output":{"a":1}}'),
        ({"a": 1, "b": "x"}, '{"a":1,"b":"x"}'),
        ({"error": "no"}, '{"error":"no"}'),
        ("t", "t"),
    ],
)
def test_words_of_results(response: Any, text: str) -> None:
    """The one text that clients wrap into an object is unwrapped; anything else is JSON."""
    found = messages(USER, model(call()), user(result(response=response)))

    assert found[2]["content"] == text


@pytest.mark.parametrize("kind", ["anthropic", "gemini"])
def test_a_tool_that_failed(kind: str) -> None:
    """Where there is a word for it, it is said."""
    found = messages(USER, model(call()), user(result(response={"error": "no"})), kind=kind)

    assert (found[2]["content"], found[2]["is_error"]) == ("no", True)


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_of_results(kind: str) -> None:
    """A tool's picture stays in its result where it may, else the user shows it."""
    part = {"inlineData": {"mimeType": "image/png", "data": PIXEL}}
    found = messages(USER, model(call(id="1")), user(result(parts=[part], id="1")), kind=kind)
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}

    assert found[2]["role"] == "tool"
    if kind in ("openai", "vllm"):
        assert found[2]["content"] == "r"
        assert found[3]["content"] == [{"type": "text", "text": "Returned by the tool call 1:"}, picture]
    else:
        assert found[2]["content"] == [{"type": "text", "text": "r"}, picture]


def test_what_has_no_partner_is_told() -> None:
    """Histories are cut: a call without a result and a result without a call become words, as no API takes them."""
    found = messages(
        user(result("lost")), model({"text": "a"}, call("open")), user({"text": "b"}), model(call("last"))
    )

    assert not any("tool_calls" in message or message["role"] == "tool" for message in found)
    told = [str(message["content"]) for message in found]
    assert told[0] == "Result of the tool lost: r"
    assert told[1] == 'a\nCalled the tool open with {"x":1}; no result came.'
    assert told[3] == 'Called the tool last with {"x":1}; no result came.'


def test_empty_turns_are_nothing() -> None:
    """A turn of the model without a word is left out; nothing but such turns is a 400."""
    assert len(messages(USER, model({"text": ""}), model({}), user({"text": "b"}))) == 2
    with pytest.raises(InvalidRequest, match="nothing that can be answered"):
        made({"contents": [model({"text": ""}), user()]})


def test_a_picture_of_the_model() -> None:
    """No other API takes a picture from an assistant: the next turn of the user shows it."""
    part = {"inlineData": {"mimeType": "image/png", "data": PIXEL}}
    for rest in ((), (user({"text": "more"}),)):
        found = messages(USER, model({"text": "here"}, part), *rest)

        assert found[1] == {"role": "assistant", "content": "here"}
        assert [one["type"] for one in found[2]["content"]][:2] == ["text", "image_url"]


CONFIG: list[tuple[Json, Json]] = [
    ({"temperature": 0.5}, {"temperature": 0.5}),
    ({"topP": 0.9}, {"top_p": 0.9}),
    ({"topK": 40.0}, {"top_k": 40}),
    ({"topK": 1.5}, {"top_k": 1.5}),
    ({"candidateCount": 1}, {}),
    ({"candidateCount": 2}, {"n": 2}),
    ({"maxOutputTokens": 7}, {"max_tokens": 7}),
    ({"maxOutputTokens": "7"}, {"max_tokens": 7}),
    ({"maxOutputTokens": 7.0}, {"max_tokens": 7}),
    ({"stopSequences": ["a"]}, {"stop": ["a"]}),
    ({"stopSequences": []}, {}),
    ({"seed": 3}, {"seed": 3}),
    ({"presencePenalty": 0.1, "frequencyPenalty": 0.2}, {"presence_penalty": 0.1, "frequency_penalty": 0.2}),
    ({"responseLogprobs": True, "logprobs": 3}, {"logprobs": True, "top_logprobs": 3}),
    ({"responseModalities": ["TEXT"]}, {}),
    ({"responseModalities": ["TEXT", "IMAGE"]}, {"modalities": ["text", "image"]}),
    ({"responseMimeType": "text/plain"}, {}),
    ({"responseMimeType": "application/json"}, {"response_format": {"type": "json_object"}}),
    *(
        (
            {"responseMimeType": "application/json", name: {"type": kind}},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "answer", "schema": {"type": "object"}},
                }
            },
        )
        for name, kind in (("responseSchema", "OBJECT"), ("responseJsonSchema", "object"))
    ),
    ({"thinkingConfig": {"thinkingLevel": "HIGH"}}, {"reasoning_effort": "high"}),
    ({"thinkingConfig": {"thinkingLevel": "minimal"}}, {"reasoning_effort": "minimal"}),
    ({"thinkingConfig": {"thinkingBudget": 20_000}}, {"reasoning_effort": "high"}),
    ({"thinkingConfig": {"thinkingBudget": 5_000}}, {"reasoning_effort": "medium"}),
    ({"thinkingConfig": {"thinkingBudget": 10}}, {"reasoning_effort": "low"}),
    ({"thinkingConfig": {"thinkingBudget": -1, "includeThoughts": True}}, {}),
    ({"thinkingConfig": {"thinkingLevel": "THINKING_LEVEL_UNSPECIFIED"}}, {}),
]


@pytest.mark.parametrize(("config", "expected"), CONFIG)
@pytest.mark.parametrize("spelled", ["camelCase", "snake_case"])
def test_configuration(config: Json, expected: Json, spelled: str) -> None:
    """Each field of ``generationConfig`` by its canonical name, and nothing is dropped."""
    body = {"contents": [USER], "generationConfig": config}
    sent, dropped = made(snake(body) if spelled == "snake_case" else body)

    assert {
        key: value for key, value in sent.items() if key not in ("model", "messages", "stream")
    } == expected
    assert dropped == ()


@pytest.mark.parametrize("kind", KINDS)
def test_thinking_switched_off(kind: str) -> None:
    """A budget of 0 in the words of each upstream, or named where it has none."""
    sent, dropped = made(
        {"contents": [USER], "generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}}, kind
    )

    if kind == "vllm":
        assert sent["chat_template_kwargs"] == {"enable_thinking": False}
    assert sent.get("reasoning_effort") == (None if kind in ("openai", "vllm") else "none")
    assert dropped == (("generationConfig.thinkingConfig",) if kind in ("openai", "vllm") else ())


@pytest.mark.parametrize(
    ("body", "lost"),
    [
        ({"tools": [{"googleSearch": {}}, {"urlContext": {}}, {"codeExecution": {}}]},
         ("tools.0 (googleSearch)", "tools.1 (urlContext)", "tools.2 (codeExecution)")),
        ({"tools": [{"google_search_retrieval": {}}]}, ("tools.0 (googleSearchRetrieval)",)),
        ({"toolConfig": {"retrievalConfig": {}}}, ("toolConfig.retrievalConfig",)),
        ({"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}},
         ("toolConfig.functionCallingConfig (no functions)",)),
        ({"generationConfig": {"speechConfig": {}}}, ("generationConfig.speechConfig",)),
        ({"generationConfig": {"responseMimeType": "text/x.enum", "responseSchema": {"type": "STRING"}}},
         ("generationConfig.responseMimeType (text/x.enum)",)),
        ({"brandNew": 1}, ("brandNew",)),
        ({"safetySettings": [{}], "labels": {"a": "b"}, "model": "models/m"}, ()),
        ({"tools": [{"functionDeclarations": [{**F, "behavior": "NON_BLOCKING"}]}]},
         ("tools.functionDeclarations.behavior",)),
    ],
)  # fmt: skip
def test_what_is_dropped_is_named(body: Json, lost: tuple[str, ...]) -> None:
    """What only Google's servers do is named; hints to its machinery are no loss."""
    assert made({"contents": [USER], **body})[1] == lost


@pytest.mark.parametrize(
    ("calling", "choice", "names"),
    [
        ({"mode": "AUTO"}, None, ["f", "g"]),
        ({"mode": "any"}, "required", ["f", "g"]),
        ({"mode": "NONE"}, "none", ["f", "g"]),
        ({"mode": "VALIDATED"}, None, ["f", "g"]),
        ({"mode": "ANY", "allowedFunctionNames": ["g"]}, "required", ["g"]),
        ({"mode": "VALIDATED", "allowed_function_names": ["f"]}, None, ["f"]),
        ({}, None, ["f", "g"]),
    ],
)
def test_the_choice_among_functions(calling: Json, choice: str | None, names: list[str]) -> None:
    """The modes, and functions that may not be called are not declared."""
    declared = {"functionDeclarations": [F, {**F, "name": "g"}]}
    sent, _ = made(
        {"contents": [USER], "tools": [declared], "toolConfig": {"functionCallingConfig": calling}}
    )

    assert sent.get("tool_choice") == choice
    assert [tool["function"]["name"] for tool in sent["tools"]] == names


def test_the_actions_of_a_screen_are_functions() -> None:
    """``computerUse`` is done by the client: the model of any vendor may call its actions."""
    tools = [
        {"computerUse": {"environment": "ENVIRONMENT_BROWSER", "excludedPredefinedFunctions": ["search"]}}
    ]
    sent, dropped = made({"contents": [USER], "tools": tools})
    names = [tool["function"]["name"] for tool in sent["tools"]]

    assert dropped == ()
    assert "click_at" in names
    assert "search" not in names


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"type": "STRING", "format": "date-time"}, {"type": "string", "format": "date-time"}),
        ({"type": "INTEGER", "format": "int32", "minimum": 1}, {"type": "integer", "minimum": 1}),
        ({"type": "ARRAY", "items": {"type": "NUMBER"}, "minItems": "1"},
         {"type": "array", "items": {"type": "number"}, "minItems": 1}),
        ({"type": "STRING", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "STRING", "format": "enum", "enum": ["a"], "nullable": True},
         {"type": ["string", "null"], "enum": ["a", None]}),
        ({"anyOf": [{"type": "STRING"}], "nullable": True}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        ({"any_of": [{"type": "STRING"}]}, {"anyOf": [{"type": "string"}]}),
        (
            {"type": "OBJECT", "propertyOrdering": ["b_c", "type"], "required": ["b_c"],
             "properties": {"type": {"type": "STRING"}, "b_c": {"type": "BOOLEAN"}}},
            {"type": "object", "required": ["b_c"],
             "properties": {"b_c": {"type": "boolean"}, "type": {"type": "string"}}},
        ),
        ({"type": "OBJECT", "example": {"a": 1}}, {"type": "object", "examples": [{"a": 1}]}),
        ({"type": "TYPE_UNSPECIFIED", "description": "d"}, {"description": "d"}),
        ({"ref": "#/defs/A", "defs": {"A": {"type": "STRING"}}},
         {"$ref": "#/$defs/A", "$defs": {"A": {"type": "string"}}}),
    ],
)  # fmt: skip
def test_schemas(given: Json, expected: Json) -> None:
    """Google's subset of OpenAPI as JSON Schema; order counts, and JSON Schema stays as it is."""
    assert json.dumps(json_schema(given)) == json.dumps(expected)
    assert json_schema(expected) == expected


def test_both_forms_of_parameters() -> None:
    """The subset, JSON Schema in either spelling, and a function without parameters."""
    forms: list[Json] = [
        {"parameters": {"type": "OBJECT", "properties": {"a_b": {"type": "STRING"}}}},
        {"parametersJsonSchema": {"type": "object", "properties": {"a_b": {"type": "string"}}}},
        {"parameters_json_schema": {"type": "object", "properties": {"a_b": {"type": "string"}}}},
    ]
    for form in forms:
        sent, _ = made({"contents": [USER], "tools": [{"function_declarations": [{"name": "f", **form}]}]})
        assert sent["tools"][0]["function"]["parameters"] == forms[1]["parametersJsonSchema"]
    sent, _ = made({"contents": [USER], "tools": [{"functionDeclarations": {"name": "f"}}]})
    assert sent["tools"][0]["function"]["parameters"] == {"type": "object", "properties": {}}


def test_a_cache_of_googles_is_refused() -> None:
    """Contents that only Google keeps would be missing."""
    with pytest.raises(InvalidRequest, match="cachedContent"):
        made({"contents": [USER], "cachedContent": "cachedContents/x"})


@pytest.mark.parametrize("name", ["a_b", "a", "_a", "max_output_tokens", "_"])
def test_camel_case_is_only_spelling(name: str) -> None:
    """No letter is lost."""
    assert camel(name).lower() == (name if name[:1] == "_" else name.replace("_", ""))


BLOCKS = [{"type": "thinking", "thinking": "t", "signature": "S", "index": 0}]


@pytest.mark.parametrize("alphabet", ["standard", "urlsafe"])
@pytest.mark.parametrize("where", ["call", "text"])
def test_what_other_vendors_want_back(where: str, alphabet: str) -> None:
    """Signed thinking of any vendor returns to where its adapter looks for it, in either alphabet of base64."""
    opaque = {"thinking_blocks": [*BLOCKS, {"type": "redacted_thinking", "data": "ÿþ?>"}]}
    mark = sealed(opaque)
    if alphabet == "urlsafe":
        mark = base64.urlsafe_b64encode(base64.b64decode(mark)).decode()
    turn = (
        model({**call(id="1"), "thoughtSignature": mark})
        if where == "call"
        else model({"text": "a"}, {"text": "", "thought_signature": mark})
    )
    found = messages(
        USER, turn, user(result(id="1")) if where == "call" else user({"text": "b"}), kind="anthropic"
    )

    assert found[1]["thinking_blocks"] == opaque["thinking_blocks"]
    assert "extra_content" not in json.dumps(found)


def test_reasoning_that_the_client_threw_away() -> None:
    """Programs that keep no thoughts (Gemini CLI) still give reasoning back with its call; it is told once."""
    mark = sealed({"reasoning_content": "t"})
    thought = {"text": "t", "thought": True}
    for parts in ((), (thought,)):
        found = messages(
            USER, model(*parts, {**call(id="1"), "thoughtSignature": mark}), user(result(id="1"))
        )
        assert found[1]["reasoning_content"] == "t"


@pytest.mark.parametrize(
    "mark",
    ["skip_thought_signature_validator", base64.b64encode(b"skip_thought_signature_validator").decode()],
)
def test_googles_word_for_no_signature(mark: str) -> None:
    """It says nothing, and goes nowhere."""
    assert (
        "extra_content" not in messages(USER, model({**call(), "thoughtSignature": mark}), user(result()))[1]
    )


@pytest.mark.parametrize(
    "mark",
    ["AAAA", sealed({})[:-4] + "!!!!", "bGxtLXByb3h5LTE6", "bGxtLXByb3h5LTE6W10=", "bGxtLXByb3h5LTE6e30"],
)
def test_marks_that_are_none(mark: str) -> None:
    """Whatever a client makes of our marks, it is read as nothing."""
    assert opened(mark) == {}


def test_a_signature_of_googles() -> None:
    """It stands where Google's own OpenAI endpoint has it, on its call or its text."""
    found = messages(
        USER,
        model({"text": "a", "thoughtSignature": "c2ln"}, {**call(id="1"), "thoughtSignature": "Y2FsbA=="}),
        user(result(id="1")),
    )

    assert found[1]["extra_content"] == {"google": {"thought_signature": "c2ln"}}
    assert found[1]["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "Y2FsbA=="}}
