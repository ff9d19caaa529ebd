"""A request fits the row of its vendor: each rule for itself, and whatever a conversation of several vendors holds."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.wire.calls import Deployment
from providers.discovery import discover
from providers.vendors import VENDORS
from tests.support.fuzz import fuzz
from tests.support.native_kit import USER, WEATHER, ask, asked, body_of, call, said, text
from tests.support.vendor_rules import refusals

OPENAI = discover()["openai"]
ROWS = pytest.mark.parametrize("name", VENDORS)
MARK: Any = {"cache_control": {"type": "ephemeral"}}
PICTURE: Any = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
Json = dict[str, Any]
FUNCTION: Any = WEATHER["function"]


def fitted(vendor: str, model: str = "m", /, **fields: Any) -> tuple[Json, tuple[str, ...]]:
    """The body that goes to ``vendor``, and what was dropped; nothing of the request is changed by it."""
    request = ask(**fields)
    before = deepcopy(request.sent)
    made = OPENAI.chat_call(request, Deployment("p", "public", "openai", "http://h/v1", model, vendor=vendor))
    assert request.sent == before
    return body_of(made), made.dropped


def said_of(vendor: str, *messages: Any, **fields: Any) -> tuple[list[Any], tuple[str, ...]]:
    """The messages that go there."""
    body, dropped = fitted(vendor, messages=list(messages), **fields)
    return body["messages"], dropped


@ROWS
def test_a_plain_request_is_as_it_was(name: str) -> None:
    """No row asks for a change of what everybody takes, to the byte."""
    plain = {
        "messages": [{"role": "system", "content": "S"}, USER],
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["x"],
    }
    body, dropped = fitted(name, **plain, tools=[WEATHER], tool_choice="auto")

    assert json.dumps(body) == json.dumps(
        {"model": "m", **plain, "tools": [WEATHER], "tool_choice": "auto", "stream": False}
    )
    assert dropped == ()


@pytest.mark.parametrize("given_as", ["max_tokens", "max_completion_tokens"])
@ROWS
def test_the_limit_goes_by_its_name(name: str, given_as: str) -> None:
    """The one that the vendor has, or the client's own where both are known; never two of them, and never none."""
    body, dropped = fitted(name, **{given_as: 50})
    limit = VENDORS[name].limit

    assert {key: body[key] for key in body if key.startswith("max_")} == {
        given_as if limit == "either" else limit: 50
    }
    assert dropped == ()


def test_both_limits_and_a_null() -> None:
    """The name that the vendor has wins; a null says nothing."""
    assert fitted("openai", max_tokens=5, max_completion_tokens=6)[0]["max_completion_tokens"] == 6
    assert fitted("mistral", max_tokens=5, max_completion_tokens=6)[0]["max_tokens"] == 5
    assert fitted("openai", max_tokens=5, max_completion_tokens=None)[0]["max_completion_tokens"] == 5


@ROWS
def test_system_texts(name: str) -> None:
    """All of them reach the model, in their order, where the vendor takes them and in a role that it knows."""
    sent, dropped = said_of(
        name,
        {"role": "system", "content": "I"},
        {"role": "developer", "content": [{**text("D"), **MARK}]},
        USER,
        {"role": "assistant", "content": "b"},
        {"role": "system", "content": "Mid."},
        {"role": "user", "content": "c"},
    )
    told = json.dumps([message for message in sent if message["role"] in ("system", "developer")])

    assert [told.count(word) for word in ("I", "D", "Mid.")] == [1, 1, 1]
    assert told.index("I") < told.index("D") < told.index("Mid.")
    assert [message["role"] for message in sent if message["role"] in ("user", "assistant")] == [
        *("user", "assistant", "user")
    ]
    assert dropped == ()
    assert refusals({"messages": sent}, VENDORS[name]) == []


def test_system_texts_in_words() -> None:
    """As chat templates want them: one string, blank lines between."""
    both = ({"role": "system", "content": "I"}, {"role": "developer", "content": [text("D")]})

    assert said_of("lenient", *both, USER)[0] == [{"role": "system", "content": "I\n\nD"}, USER]
    assert said_of("openai", *both, USER)[0] == [*both, USER]
    marked = {"role": "system", "content": [{**text("D"), **MARK}]}
    assert said_of("openrouter", both[0], marked, USER)[0][0]["content"] == [text("I"), {**text("D"), **MARK}]
    assert said_of("lenient", USER, both[0])[0] == [{"role": "system", "content": "I"}, USER]


@ROWS
def test_hints_go_without_a_word(name: str) -> None:
    """What only speaks to statistics or caches is no loss; where it is known it stays, as long as may be."""
    hints = {"user": "u" * 150, "prompt_cache_key": "k", "client_metadata": {"x": "y"}, "store": False}
    body, dropped = fitted(name, **hints)
    vendor = VENDORS[name]

    assert dropped == ()
    assert "client_metadata" not in body
    assert body.get("prompt_cache_key") == ("k" if vendor.cache_keys else None)
    assert body.get("user", "") == fitted(name, **hints)[0].get("user", "")
    assert refusals(body, vendor) == []


def test_users_stay_apart() -> None:
    """A name that is too long becomes another one, the same each time; two never become one, and a short one stays."""
    first, second = (fitted("openai", user="u" * 149 + end)[0]["user"] for end in "ab")

    assert len(first) == len(second) == 64
    assert first != second
    assert fitted("openai", user="u" * 64)[0]["user"] == "u" * 64
    assert fitted("openrouter", user="u" * 128)[0]["user"] == "u" * 128


FOREIGN = {
    "top_k": 5,
    "min_p": 0.1,
    "chat_template_kwargs": {"enable_thinking": True},
    "reasoning": {"effort": "low"},
    "thinking": {"type": "enabled"},
    "provider": {"order": ["x"]},
    "metadata": {"a": "b"},
    "store": True,
    "seed": 7,
    "logprobs": True,
    "brand_new": 1,
}


@ROWS
def test_parameters_that_a_vendor_does_not_know(name: str) -> None:
    """They are left out and named, each of them; what it may know stays as it was."""
    body, dropped = fitted(name, **FOREIGN)
    kept = {key: body[key] for key in body.keys() & FOREIGN.keys()}
    renamed = dict(VENDORS[name].renames)

    assert kept == {key: FOREIGN[key] for key in kept}
    assert {
        *kept,
        *dropped,
        *(ours for ours, theirs in renamed.items() if body.get(theirs) == FOREIGN[ours]),
    } == {*FOREIGN}
    assert refusals(body, VENDORS[name]) == []


def test_a_parameter_under_another_name() -> None:
    """Mistral's word for a seed is its own."""
    body, dropped = fitted("mistral", seed=7)

    assert (body["random_seed"], "seed" in body, dropped) == (7, False, ())


EFFORTS = [
    ("groq", "xhigh", "high"),
    ("groq", "minimal", "low"),
    ("cerebras", "max", "high"),
    ("zai", "medium", "high"),
    ("zai", "minimal", "low"),
    ("zai", "xhigh", "max"),
    ("zai", "none", None),
    ("google", "max", "high"),
    ("openai", "max", "max"),
    ("lenient", "max", "max"),
    ("groq", "default", "default"),
    ("groq", "of_tomorrow", "of_tomorrow"),
]


@pytest.mark.parametrize(("name", "given_as", "sent"), EFFORTS)
def test_levels_of_effort(name: str, given_as: str, sent: str | None) -> None:
    """The nearest that there is, and that it is another one is said; what nobody knows is the vendor's to judge."""
    body, dropped = fitted(name, reasoning_effort=given_as)

    assert body.get("reasoning_effort") == sent
    assert dropped == (() if sent == given_as else (f"reasoning_effort ({given_as})",))


MODELS = [
    ("openai", "gpt-4o", False),
    ("openai", "gpt-4.1-mini", False),
    ("openai", "gpt-3.5-turbo", False),
    ("openai", "chatgpt-4o-latest", False),
    ("openai", "gpt-5-chat-latest", False),
    ("openai", "ft:gpt-4o-mini:me::x", False),
    ("azure", "gpt-4o", False),
    ("openai", "gpt-5", True),
    ("openai", "gpt-5.5", True),
    ("openai", "o3-mini", True),
    ("openai", "of-tomorrow", True),
    ("xai", "grok-4-0709", False),
    ("xai", "grok-code-fast-1", False),
    ("xai", "grok-3", False),
    ("xai", "grok-3-mini", True),
    ("xai", "grok-4.3", True),
    ("xai", "grok-4.6", True),
    ("groq", "llama-3.3-70b-versatile", False),
    ("groq", "meta-llama/llama-4-scout-17b-16e-instruct", False),
    ("groq", "openai/gpt-oss-120b", True),
    ("mistral", "codestral-latest", False),
    ("mistral", "magistral-medium-latest", True),
    ("cerebras", "llama3.1-8b", False),
    ("lenient", "gpt-4o", True),
]


@pytest.mark.parametrize(("name", "model", "thinks"), MODELS)
def test_models_without_thinking(name: str, model: str, thinks: bool) -> None:
    """A model that is known to have none is not asked for it, and that is said."""
    body, dropped = fitted(name, model, reasoning_effort="high")

    assert ("reasoning_effort" in body, dropped) == (thinks, () if thinks else ("reasoning_effort",))


@pytest.mark.parametrize("model", ["o1", "o3-mini", "o4-mini", "gpt-5", "gpt-5-mini", "gpt-5-2025-08-07"])
def test_models_that_take_no_sampling(model: str) -> None:
    """OpenAI's models that always think take the default alone, which says nothing; any other value is named."""
    body, dropped = fitted("openai", model, temperature=0, top_p=1, presence_penalty=0)

    assert body.keys() == {"messages", "model", "stream"}
    assert dropped == ("temperature",)
    assert fitted("openai", "gpt-5.1", temperature=0)[0]["temperature"] == 0
    assert fitted("openai", "gpt-4o", temperature=0)[0]["temperature"] == 0


STOPS = {
    "gpt-4o": True,
    "gpt-4.1-mini": True,
    "o1": True,
    "o1-mini": True,
    "o3-mini": True,
    "o3-mini-2025-01-31": True,
    "o3": False,
    "o3-2025-04-16": False,
    "o3-pro": False,
    "o4-mini": False,
    "openai/o4-mini-2025-04-16": False,
    "gpt-5": False,
    "gpt-5-nano": False,
    "gpt-5-2025-08-07": False,
    "gpt-5.1": False,
    "gpt-5.2-2025-12-11": False,
    "gpt-5.4-mini": False,
    "gpt-5-chat-latest": True,
    "gpt-5.1-chat-latest": True,
    "gpt-5.5": True,
    "gpt-5.6-mini": True,
    "gpt-51": True,
}


@pytest.mark.parametrize("vendor", ["openai", "azure"])
@pytest.mark.parametrize(("model", "takes"), STOPS.items())
def test_models_that_take_no_stop(model: str, takes: bool, vendor: str) -> None:
    """It is left out and named; a null says nothing."""
    body, dropped = fitted(vendor, model, stop=["x"])

    assert ("stop" in body, dropped) == (takes, () if takes else ("stop",))
    assert fitted(vendor, model, stop=None)[1] == ()


THOUGHT = {"role": "assistant", "content": "b"}


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
@ROWS
def test_thinking_goes_back(name: str, field: str) -> None:
    """Under the vendor's own name, or under one that it takes too; where it may not, it is left out and named."""
    sent, dropped = said_of(name, USER, {**THOUGHT, field: "hm"}, USER)
    accepted = VENDORS[name].thoughts
    where = field if field in accepted else accepted[0] if accepted else None

    assert {key: sent[1][key] for key in sent[1] if key.startswith("reasoning")} == (
        {where: "hm"} if where else {}
    )
    assert dropped == (() if where else (f"messages.{field}",))


@ROWS
def test_thinking_as_a_part(name: str) -> None:
    """Mistral thinks in parts of the content: there they may stand, elsewhere they are a field, or are named."""
    parts = [{"type": "thinking", "thinking": [text("hm")]}, text("yo")]
    (_, sent, _), dropped = said_of(name, USER, {"role": "assistant", "content": parts}, USER)
    vendor = VENDORS[name]

    if vendor.thinking_parts:
        assert (sent["content"], dropped) == (parts, ())
    elif vendor.thoughts:
        assert (sent[vendor.thoughts[0]], "yo" in str(sent["content"]), dropped) == ("hm", True, ())
    else:
        assert ("hm" in str(sent), dropped) == (False, ("messages.content.thinking",))


@pytest.mark.parametrize("name", ["deepseek", "moonshot"])
def test_thinking_beside_calls(name: str) -> None:
    """Where it must be there, a call that came without any gets as good as none; the thinking of another stays."""
    sent, _ = said_of(
        name, USER, asked(call()), said("x"), asked(call(call_id="c2"), reasoning="hm"), said("y", "c2")
    )

    assert [message.get("reasoning_content") for message in sent] == [None, " ", None, "hm", None]


@ROWS
def test_turns_of_nothing(name: str) -> None:
    """An assistant's turn without text and calls is never a null; where it is refused it is left out by its place."""
    for nothing in (None, "", [], [text("")]):
        sent, dropped = said_of(name, USER, {"role": "assistant", "content": nothing}, USER)
        assert refusals({"messages": sent}, VENDORS[name]) == []
        assert dropped == (() if VENDORS[name].empty_turns else ("messages.1",))
    sent, _ = said_of(name, USER, {"role": "assistant", "content": None, "reasoning_content": "hm"}, USER)
    assert refusals({"messages": sent}, VENDORS[name]) == []


def test_nothing_but_nothing() -> None:
    """A conversation is never emptied: the vendor says what is wrong with it."""
    assert said_of("mistral", {"role": "assistant", "content": ""})[0] == [
        {"role": "assistant", "content": ""}
    ]


@ROWS
def test_pictures_in_results(name: str) -> None:
    """In the user's turn behind all results, with a word about whose they are; in place where the vendor takes them."""
    results = [said([text("one"), PICTURE], "c1"), said([PICTURE], "c2"), said("three", "c3")]
    calls = asked(call(call_id="c1"), call(call_id="c2"), call(call_id="c3"))
    for after in (
        [],
        [{"role": "user", "content": "look"}],
        [{"role": "user", "content": [text("look")]}],
        [THOUGHT, USER],
    ):
        sent, dropped = said_of(name, USER, calls, *results, *after)
        found = [message for message in sent if PICTURE in list(message.get("content") or ())]
        roles = [message["role"] for message in sent]

        assert str(sent).count("image_url'") == 4  # two parts, each with its kind and its field
        assert dropped == ()
        assert refusals({"messages": sent}, VENDORS[name]) == []
        if not VENDORS[name].pictures:
            assert [message["role"] for message in found] == ["user"]
            assert roles[2:6] == ["tool", "tool", "tool", "user"]
            assert "look" in str(found[0]) or not after or after[0] is THOUGHT


LONG = "toolu_" + "x" * 60
GRAMMARS = [
    ("mistral", ["call_AbCdEf0123456789", "toolu_01", "functions.Bash:0", "żółw", LONG]),
    ("strict", [LONG]),
    ("openai", [LONG, LONG + "y", "functions.Bash:0"]),
    ("azure", [LONG]),
]


@pytest.mark.parametrize(("name", "ids"), GRAMMARS)
def test_ids_of_calls(name: str, ids: list[str]) -> None:
    """In the vendor's grammar, the same for a call and its result, the same in the next request, and never twice."""
    calls = asked(*(call(call_id=one) for one in ids), call(call_id="abc123DEF"))
    sent, _ = said_of(name, USER, calls, *(said("x", one) for one in ids if one), said("y", "abc123DEF"))
    made = [one["id"] for one in sent[1]["tool_calls"]]
    longer, _ = said_of(
        name, USER, calls, *(said("x", one) for one in ids if one), said("y", "abc123DEF"), THOUGHT, USER
    )
    grammar = VENDORS[name].call_id

    assert grammar is not None
    assert all(grammar.fullmatch(one) for one in made)
    assert made[-1] == "abc123DEF"
    assert len({*made}) == len(made)
    assert [message["tool_call_id"] for message in sent[2:]] == [
        one for one, was in zip(made, [*ids, "abc123DEF"], strict=True) if was
    ]
    assert longer[1] == sent[1]


def test_an_id_that_another_would_become() -> None:
    """An id of the client's own that looks like a made one is not taken for it."""
    ((_, first, *_), _) = said_of("mistral", USER, asked(call(call_id="toolu_01")), said("x", "toolu_01"))
    made = first["tool_calls"][0]["id"]
    calls = asked(call(call_id="toolu_01"), call(call_id=made))
    ((_, both, *_), _) = said_of("mistral", USER, calls, said("x", "toolu_01"), said("y", made))

    assert both["tool_calls"][1]["id"] == made
    assert both["tool_calls"][0]["id"] not in (made, "toolu_01")


ORPHANS: list[tuple[list[Any], list[Any], str]] = [
    (
        [said("r", "zz"), USER],
        [{"role": "user", "content": "[Result of an earlier tool call zz]\nr"}, USER],
        "messages.0 (told as text)",
    ),
    (
        [USER, asked(call(call_id="a")), USER],
        [
            USER,
            {
                "role": "assistant",
                "content": "[Called the tool f: {}; there is no result of it.]",
            },
            USER,
        ],
        "messages.1.tool_calls (told as text)",
    ),
    (
        [USER, asked(call(call_id="a")), USER, said("r", "a")],
        [USER, asked(call(call_id="a")), said("r", "a"), USER],
        "",
    ),
    (
        [{"role": "critic", "content": "c"}, USER],
        [{"role": "user", "content": "c"}, USER],
        "messages.0.role (sent as user)",
    ),
    (
        [{"role": "model", "content": "c"}, USER],
        [{"role": "assistant", "content": "c"}, USER],
        "messages.0.role (sent as assistant)",
    ),
]


@pytest.mark.parametrize("name", ["openai", "azure", "github", "strict", "lenient", "vllm", "llamacpp"])
@pytest.mark.parametrize(("given", "wanted", "named"), ORPHANS)
def test_histories_that_are_not_in_order(given: list[Any], wanted: list[Any], named: str, name: str) -> None:
    """After a compaction, a crash or a change of programs: told as text where that would be a 400 for ever after, and named;
    elsewhere they are what the client sent."""
    sent, dropped = said_of(name, *given)

    if VENDORS[name].pairs:
        assert (sent, dropped) == (wanted, (named,) if named else ())
    else:
        assert (sent, dropped) == (given, ())


@ROWS
def test_no_row_that_judges_histories_gets_an_orphan(name: str) -> None:
    """Whatever else its row changes in calls."""
    calls = asked(call(call_id="a"), call(call_id="b"))
    sent, _ = said_of(name, said("r", "zz"), USER, calls, said("x", "b"), THOUGHT, USER)
    ids = [one["id"] for message in sent for one in message.get("tool_calls") or ()]
    results = [message["tool_call_id"] for message in sent if message["role"] == "tool"]

    assert VENDORS[name].pairs == (ids == results)


@pytest.mark.parametrize("arguments", [{"a": 1}, {}, None])
def test_arguments_that_are_no_text(arguments: Any) -> None:
    """As some servers write them and clients send them back: a text where that is wanted; else as they are."""
    odd = asked(call(call_id="a"))
    odd["tool_calls"][0]["function"]["arguments"] = arguments
    text = json.dumps({} if arguments is None else arguments, separators=(",", ":"))
    for name, wanted in (("openai", text), ("lenient", arguments)):
        sent, dropped = said_of(name, USER, odd, said("r", "a"))
        assert (sent[1]["tool_calls"][0]["function"]["arguments"], dropped) == (wanted, ())


def test_functions_of_the_days_before_tools() -> None:
    """Are left alone: they have no ids."""
    old = [
        USER,
        {"role": "assistant", "content": "", "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "r"},
    ]
    assert said_of("openai", *old) == (old, ())


def test_pictures_of_an_assistant() -> None:
    """Are shown in the user's turn behind them, behind the results of the calls beside them, where the row is strict."""
    made = {"role": "assistant", "content": [text("here"), PICTURE]}
    sent, dropped = said_of("openai", USER, made, USER)
    assert [message["role"] for message in sent] == ["user", "assistant", "user"]
    assert sent[1]["content"] == [text("here")]
    assert sent[2]["content"][:2] == [text("Made by you:"), PICTURE]
    assert dropped == ()

    calls = {**asked(call(call_id="a")), "content": [PICTURE]}
    sent, _ = said_of("openai", USER, calls, said("r", "a"), USER)
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "user"]
    assert PICTURE in sent[3]["content"]
    assert said_of("openrouter", USER, made, USER)[0] == [USER, made, USER]


@ROWS
def test_no_tools(name: str) -> None:
    """An empty list or a null is as good as none, but refused by some; so is a choice among none."""
    empty: tuple[Any, ...] = ([], None)
    for none in empty:
        body, dropped = fitted(name, tools=none, tool_choice="auto", parallel_tool_calls=True)
        assert not {"tools", "tool_choice", "parallel_tool_calls"} & body.keys()
        assert dropped == ()
    assert fitted(name, tools=[WEATHER], tool_choice="any")[0]["tool_choice"] == "required"


SCHEMAS: list[tuple[str, Json, Json, tuple[str, ...]]] = [
    ("lenient", {"type": "object"}, {"type": "object", "properties": {}}, ()),
    ("openai", {}, {"type": "object", "properties": {}}, ()),
    (
        "openai",
        {"type": "object", "properties": {"a": {"type": "array"}, "b": {"anyOf": [{"type": "array"}]}}},
        {
            "type": "object",
            "properties": {
                "a": {"type": "array", "items": {}},
                "b": {"anyOf": [{"type": "array", "items": {}}]},
            },
        },
        (),
    ),
    (
        "openai",
        {
            "oneOf": [
                {"type": "object", "properties": {"a": {"type": "string"}, "b": {}}, "required": ["a", "b"]},
                {"type": "object", "properties": {"a": {"type": "string"}, "c": {}}, "required": ["a"]},
            ],
            "description": "d",
        },
        {
            "description": "d",
            "type": "object",
            "properties": {"a": {"type": "string"}, "b": {}, "c": {}},
            "required": ["a"],
        },
        ("tools.0.function.parameters.oneOf",),
    ),
    (
        "moonshot",
        {
            "type": "object",
            "properties": {"a": {"type": "string", "anyOf": [{"enum": ["x"]}, {"$ref": "#/x"}]}},
        },
        {
            "type": "object",
            "properties": {"a": {"anyOf": [{"type": "string", "enum": ["x"]}, {"$ref": "#/x"}]}},
        },
        (),
    ),
    ("lenient", {"anyOf": [{"type": "object"}]}, {"anyOf": [{"type": "object"}]}, ()),
    ("lenient", {"$ref": "#/$defs/A"}, {"$ref": "#/$defs/A"}, ()),
]


@pytest.mark.parametrize(("name", "schema", "sent", "lost"), SCHEMAS)
def test_schemas_of_tools(name: str, schema: Json, sent: Json, lost: tuple[str, ...]) -> None:
    """Each vendor's subset; what is added says nothing new, and what cannot be said is named."""
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    body, dropped = fitted(name, tools=[tool])

    assert (body["tools"][0]["function"]["parameters"], dropped) == (sent, lost)


def test_declarations_of_tools() -> None:
    """Strictness where it is known, and named where it is not; no tools are as good as none."""
    strict: Json = {"type": "function", "function": {**FUNCTION, "strict": True}, **MARK}

    assert fitted("openai", tools=[strict])[0]["tools"][0]["function"]["strict"] is True
    body, dropped = fitted("together", tools=[strict])
    assert (body["tools"], dropped) == ([WEATHER], ("tools.strict",))
    body, dropped = fitted("groq", tools=[], tool_choice="auto", parallel_tool_calls=True)
    assert (set(body), dropped) == ({"messages", "model", "stream"}, ())
    other = {"type": "web_search"}
    assert fitted("openai", tools=[other])[0]["tools"] == [other]


def test_a_refusal_is_a_text_elsewhere() -> None:
    """OpenAI takes it back in its own field; a strict server that has none gets what was said."""
    refused: Json = {"role": "assistant", "content": None, "refusal": "No.", "annotations": [], "audio": None}

    assert said_of("openai", USER, refused, USER)[0][1]["refusal"] == "No."
    assert said_of("groq", USER, refused, USER) == ([USER, {"role": "assistant", "content": "No."}, USER], ())


def test_names_of_speakers() -> None:
    """Refused by some: named, because a model sees them."""
    spoken = {**USER, "name": "Ann"}

    assert said_of("groq", spoken) == ([USER], ("messages.name",))
    assert said_of("openai", spoken) == ([spoken], ())


def test_turns_that_must_alternate() -> None:
    """Those of one side become one."""
    sent, dropped = said_of(
        "perplexity", USER, {"role": "user", "content": [PICTURE]}, THOUGHT, THOUGHT, USER
    )

    assert sent[0] == {"role": "user", "content": [text("Hi"), PICTURE]}
    assert [message["role"] for message in sent] == ["user", "assistant", "user"]
    assert (sent[1]["content"], dropped) == ("b\n\nb", ())


@pytest.mark.parametrize("name", ["mistral", "perplexity"])
def test_usage_that_comes_unasked(name: str) -> None:
    """Where the question is refused it is not put."""
    assert "stream_options" not in fitted(name, stream=True, stream_options={"include_usage": True})[0]


@pytest.mark.parametrize(
    ("sent", "there", "dropped"),
    [({}, None, ()), ({"stream_options": {"include_usage": True}}, None, ("stream_options",))],
)
def test_usage_that_nobody_may_ask_for(sent: Json, there: Json | None, dropped: tuple[str, ...]) -> None:
    """The configuration can say so for a server that refuses the question; a client that put it is told."""
    row = Deployment(
        "p", "m", "openai", "http://h/v1", "m", options={"stream_options": {"include_usage": False}}
    )
    made = OPENAI.chat_call(ask(stream=True, **sent), row)

    assert (body_of(made).get("stream_options"), made.dropped) == (there, dropped)


WORDS = ("alpha", "beta", "gamma", "delta", "omega", "data:image")
_TEXTS = st.sampled_from(["", "alpha", "beta"])
_CONTENT = st.one_of(
    _TEXTS,
    st.lists(
        st.sampled_from([text("gamma"), {**text("delta"), **MARK}, {"type": "thinking", "thinking": "t"}]),
        max_size=3,
    ),
)
_EXTRA = st.fixed_dictionaries(
    {},
    optional={
        "reasoning_content": st.sampled_from(["", "hm"]),
        "reasoning": st.just("hm"),
        "thinking_blocks": st.just([{"type": "thinking"}]),
        "reasoning_details": st.just([{"type": "reasoning.text"}]),
        "cache_control": st.just({}),
        "annotations": st.just([]),
        "extra_content": st.just({"google": {}}),
        "vendor_field": st.just(1),
        "name": st.just("n"),
    },
)
_PLAIN = st.builds(
    lambda role, content, extra: {
        **(
            extra
            if role == "assistant"
            else {k: v for k, v in extra.items() if k in ("name", "cache_control")}
        ),
        "role": role,
        "content": content,
    },
    st.sampled_from(["system", "developer", "user", "assistant"]),
    _CONTENT,
    _EXTRA,
).filter(lambda message: message["role"] == "assistant" or "thinking" not in str(message["content"]))
_IDS = st.sampled_from(["c1", "toolu_0123", "abc123DEF", LONG, "functions.Bash:0"])
_LOOP = st.builds(
    lambda ids, content, extra: [
        asked(*(call(call_id=one) for one in ids), **{k: v for k, v in extra.items() if k != "name"}),
        *(said(content, one) for one in ids),
    ],
    st.lists(_IDS, min_size=1, max_size=3, unique=True),
    st.sampled_from(["omega", [text("omega")], [text("omega"), PICTURE], [PICTURE]]),
    _EXTRA,
)
_HISTORY = st.lists(st.one_of(_PLAIN.map(lambda message: [message]), _LOOP), min_size=1, max_size=6).map(
    lambda turns: [USER, *(message for turn in turns for message in turn), USER]
)


@fuzz
@given(name=st.sampled_from(sorted(VENDORS)), messages=_HISTORY, stream=st.booleans())
def test_any_conversation_is_taken(name: str, messages: list[Any], stream: bool) -> None:
    """Whoever the turns were had with: the vendor refuses nothing, no word and no picture is lost, the same conversation
    gives the same request, and one that fits is not changed."""
    given = {"messages": messages, "stream": stream, "tools": [{**WEATHER, **MARK}], "user": "u" * 99}
    body, _ = fitted(name, **given)
    before, after = json.dumps(messages), json.dumps(body["messages"])

    assert refusals(body, VENDORS[name]) == []
    assert [after.count(word) for word in WORDS] == [before.count(word) for word in WORDS]
    assert fitted(name, **given)[0] == body
    assert fitted(name, messages=body["messages"], stream=stream)[0]["messages"] == body["messages"]
