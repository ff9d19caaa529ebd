"""A history of other vendors, or after a compaction, is a conversation that any model can go on with."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.errors import InvalidRequest, UpstreamError
from llm_proxy.faces.responses.face import ResponsesFace
from llm_proxy.faces.responses.input import Turns
from llm_proxy.faces.responses.request import canonical, read
from llm_proxy.faces.responses.sealed import packed
from llm_proxy.wire.events import ChatResponse, Chunk
from tests.support.fuzz import fuzz
from tests.support.responses_reader import parsed
from tests.support.responses_types import check_event, check_response

USER: Any = {"role": "user", "content": "u"}
PICTURE: Any = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="}


def said(text: str) -> Any:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "id": "msg_1", "role": "assistant", "content": content}


def thought(text: str, sealed: str | None = None) -> Any:
    return {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": text}],
        "encrypted_content": sealed,
    }


def call(call_id: Any, name: str = "f", arguments: Any = "{}") -> Any:
    return {
        "type": "function_call",
        "id": f"fc_{call_id}",
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
    }


def result(call_id: Any, output: Any = "r", **more: Any) -> Any:
    return {"type": "function_call_output", "call_id": call_id, "output": output, **more}


def outline(message: Any) -> str:
    """A message in one line: ``role: text | calls``."""
    text = message["content"]
    if isinstance(text, list):
        text = " ".join(part.get("text", part["type"]) for part in text)
    calls = " ".join(f"{one['function']['name']}#{one['id']}" for one in message.get("tool_calls", ()))
    of = f"#{message['tool_call_id']}" if "tool_call_id" in message else ""
    return f"{message['role']}{of}: {text or ''}" + (f" | {calls}" if calls else "")


#: What clients and vendors leave in histories -> the messages, and what is named as dropped.
HISTORIES: dict[str, tuple[list[Any], list[str], list[str]]] = {
    "a result whose call was compacted away": (
        [USER, result("c1", "42", name="f")],
        ["user: u", "user: Returned by an earlier call of f (c1):\n42"],
        [],
    ),
    "its picture too": (
        [USER, {"type": "custom_tool_call_output", "call_id": "c1", "output": [PICTURE]}],
        ["user: u", "user: Returned by an earlier call of custom (c1): image_url"],
        [],
    ),
    "a result without any id": (
        [USER, {"type": "function_call_output", "output": "42"}],
        ["user: u", "user: Returned by an earlier call of function:\n42"],
        [],
    ),
    "a call that was never answered": (
        [call("c1", "f", '{"a":1}'), USER],
        ['assistant: [Called f with {"a":1}; there is no result.]', "user: u"],
        [],
    ),
    "one of two calls was answered": (
        [said("t"), call("c1"), call("c2", "g"), result("c1"), USER],
        ["assistant: t\n[Called g with {}; there is no result.] | f#c1", "tool#c1: r", "user: u"],
        [],
    ),
    "a result that comes late": (
        [call("c1"), USER, result("c1"), said("t")],
        ["assistant:  | f#c1", "tool#c1: r", "user: u", "assistant: t"],
        [],
    ),
    "results in another order, some late": (
        [call("c1"), call("c2"), result("c2"), call("c3"), result("c1"), result("c3")],
        ["assistant:  | f#c1 f#c2", "tool#c2: r", "tool#c1: r", "assistant:  | f#c3", "tool#c3: r"],
        [],
    ),
    "a result twice": (
        [call("c1"), result("c1"), result("c1", "again")],
        ["assistant:  | f#c1", "tool#c1: r", "user: Returned by an earlier call of function (c1):\nagain"],
        [],
    ),
    "one id for the calls of two answers": (
        [call("c1"), result("c1"), call("c1"), result("c1"), call("c1_2"), result("c1_2")],
        [
            *("assistant:  | f#c1", "tool#c1: r", "assistant:  | f#c1_2", "tool#c1_2: r"),
            *("assistant:  | f#c1_2_2", "tool#c1_2_2: r"),
        ],
        [],
    ),
    "an interrupted turn holds only thoughts": (
        [USER, thought("hm"), USER],
        ["user: u", "user: u"],
        ["input.1 (thoughts alone)"],
    ),
    "empty turns": (
        [
            {"role": "user", "content": ""},
            said(""),
            {"role": "user", "content": []},
            {"role": "developer", "content": None},
            USER,
        ],
        ["user: u"],
        [],
    ),
    "nothing but an empty turn is the upstream's to judge": (
        [{"role": "user", "content": ""}],
        ["user: "],
        [],
    ),
    "roles of others": (
        [
            {"role": "human", "content": "h"},
            {"role": "model", "content": "m"},
            {"role": "critic", "content": "c"},
        ],
        ["user: h", "assistant: m", "user: c"],
        ["input.2.role (critic)"],
    ),
    "turns of a chat API": (
        [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "r"},
            {"role": "tool", "content": "lost"},
        ],
        ["assistant:  | f#c1", "tool#c1: r", "user: lost"],
        ["input.2.role (tool)"],
    ),
    "a search that ran at a vendor": (
        [
            {
                "type": "web_search_call",
                "id": "ws_1",
                "status": "completed",
                "action": {"type": "search", "query": "rain"},
            },
            said("It rains."),
        ],
        ['assistant: [web_search_call: {"action":{"type":"search","query":"rain"}}]\nIt rains.'],
        [],
    ),
    "an MCP server of a vendor": (
        [
            {
                "type": "mcp_list_tools",
                "id": "l",
                "server_label": "s",
                "tools": [{"name": "f", "input_schema": {}}],
            },
            {"type": "mcp_approval_request", "id": "a", "server_label": "s", "name": "f", "arguments": "{}"},
            {
                "type": "mcp_approval_response",
                "approval_request_id": "a",
                "approve": True,
                "reason": "please",
            },
            {
                "type": "mcp_call",
                "id": "m",
                "server_label": "s",
                "name": "f",
                "arguments": '{"a":1}',
                "output": "found",
                "error": None,
            },
        ],
        [
            'assistant: [mcp_approval_request: {"server_label":"s","name":"f","arguments":"{}"}]',
            'user: [mcp_approval_response: {"approve":true,"reason":"please"}]',
            'assistant: [mcp_call: {"server_label":"s","name":"f","arguments":"{\\"a\\":1}","output":"found"}]',
        ],
        ["input.0 (mcp_list_tools)"],
    ),
    "code and files of a vendor": (
        [
            {
                "type": "code_interpreter_call",
                "id": "c",
                "container_id": "k",
                "status": "completed",
                "code": "1+1",
                "outputs": [{"type": "logs", "logs": "2"}],
            },
            {
                "type": "file_search_call",
                "id": "f",
                "status": "completed",
                "queries": ["q"],
                "results": [{"text": "t"}],
            },
            {"type": "program", "id": "p", "call_id": "p", "code": "x()", "fingerprint": "zzz"},
        ],
        [
            (
                'assistant: [code_interpreter_call: {"code":"1+1","outputs":[{"type":"logs","logs":"2"}]}]\n'
                '[file_search_call: {"queries":["q"],"results":[{"text":"t"}]}]\n[program: {"code":"x()"}]'
            ),
        ],
        [],
    ),
    "a picture of a vendor's": (
        [
            {
                "type": "image_generation_call",
                "id": "i",
                "status": "completed",
                "result": "iVBORw0",
                "revised_prompt": "a cat",
            }
        ],
        ['assistant: [image_generation_call: {"revised_prompt":"a cat"}]'],
        ["input.0.result"],
    ),
    "a picture that code of a vendor's has made": (
        [
            {
                "type": "code_interpreter_call",
                "outputs": [{"type": "image", "url": PICTURE["image_url"]}, {"type": "logs", "logs": "2"}],
            }
        ],
        ['assistant: [code_interpreter_call: {"outputs":[{"type":"logs","logs":"2"}]}]'],
        ["input.0.outputs.0"],
    ),
    "an item of tomorrow": (
        [
            {"type": "hologram_call", "id": "h", "words": "hi"},
            {"type": "hologram_output", "id": "h", "output": "seen"},
            {"type": "pause"},
            USER,
        ],
        [
            'assistant: [hologram_call: {"words":"hi"}]',
            'user: [hologram_output: {"output":"seen"}]',
            "user: u",
        ],
        ["input.2 (pause)"],
    ),
    "turns that another service compacted": (
        [{"type": "compaction", "id": "cmp", "encrypted_content": "gAAAA"}, USER],
        [
            "user: [Earlier turns were compacted by another service in a form that only it can read.]",
            "user: u",
        ],
        ["input.0.encrypted_content"],
    ),
    "the same by its older name": (
        [{"type": "compaction_summary", "encrypted_content": "gAAAA"}, USER],
        [
            "user: [Earlier turns were compacted by another service in a form that only it can read.]",
            "user: u",
        ],
        ["input.0.encrypted_content"],
    ),
    "a local shell's result has its call's id as its own": (
        [
            {
                "type": "local_shell_call",
                "id": "lsh_1",
                "call_id": "c1",
                "status": "completed",
                "action": {"type": "exec", "command": ["ls"], "env": {}},
            },
            {"type": "local_shell_call_output", "id": "lsh_1", "output": "r"},
        ],
        ["assistant:  | local_shell#c1", "tool#c1: r"],
        [],
    ),
    "a shell's result as a text": (
        [
            {"type": "shell_call", "call_id": "c1", "action": {"commands": ["ls"]}},
            {"type": "shell_call_output", "call_id": "c1", "output": "r"},
        ],
        ["assistant:  | shell#c1", "tool#c1: r"],
        [],
    ),
    "a screen that is kept elsewhere": (
        [
            {"type": "computer_call", "call_id": "c1", "action": {"type": "wait"}},
            {
                "type": "computer_call_output",
                "call_id": "c1",
                "output": {"type": "computer_screenshot", "file_id": "f"},
            },
        ],
        ["assistant:  | computer#c1", "tool#c1: The screenshot is kept elsewhere."],
        [],
    ),
}


@pytest.mark.parametrize("name", HISTORIES)
def test_any_history_is_a_conversation(name: str) -> None:
    """Nothing that anybody said is lost without a name, and no vendor finds a reason to refuse it."""
    items, wanted, dropped = HISTORIES[name]
    turns = Turns(None, items)

    assert [outline(message) for message in turns.messages] == wanted
    assert (turns.problems, turns.dropped) == ([], dropped)


ARGUMENTS: list[tuple[Any, str]] = [
    ('{"a": 1}', '{"a": 1}'),
    ("", "{}"),
    (None, "{}"),
    ("null", "{}"),
    ({"a": 1}, '{"a":1}'),
    ("{bad", '{"arguments":"{bad"}'),
    ("[1]", '{"arguments":"[1]"}'),
]


@pytest.mark.parametrize(("given_arguments", "wanted"), ARGUMENTS, ids=str)
def test_arguments_in_a_history_are_an_object(given_arguments: Any, wanted: str) -> None:
    """What a model wrote badly once must not end the session."""
    (assistant, _) = Turns(None, [call("c1", "f", given_arguments), result("c1")]).messages

    assert assistant["tool_calls"][0]["function"]["arguments"] == wanted


DETAIL: Any = {
    "type": "reasoning.encrypted",
    "data": "SIG",
    "id": "x",
    "format": "google-gemini-v1",
    "index": 0,
}
EXTRA: Any = {"google": {"thought_signature": "sig"}}


def test_what_was_kept_for_a_vendor_goes_back_to_its_place() -> None:
    """OpenRouter's details on the message, Google's signature on its call, wherever the item with them stands."""
    marks = packed(
        [
            {"type": "reasoning_details", "reasoning_details": [DETAIL]},
            {"type": "extra_content", "call_id": "c1", "extra_content": EXTRA},
        ]
    )
    first = [thought("hm"), call("c1"), thought("", marks), result("c1")]
    last = [thought("", marks), said("t"), call("c1"), result("c1")]
    after_text = [
        said("t"),
        thought("", packed([{"type": "reasoning_details", "reasoning_details": [DETAIL]}])),
    ]
    for items in (first, last, after_text):
        turns = Turns(None, items)
        message = turns.messages[0]

        assert message["reasoning_details"] == [DETAIL]
        assert [one.get("extra_content") for one in message.get("tool_calls", ())] in ([EXTRA], [])
        assert turns.dropped == []


def test_a_change_of_settings_in_mid_conversation() -> None:
    """The newest effort and format hold."""
    update: Any = {
        "type": "configuration_update",
        "reasoning": {"effort": "low"},
        "text": {"format": {"type": "json_object"}},
    }
    body = {
        "model": "m",
        "input": [USER, update],
        "reasoning": {"effort": "high"},
        "text": {"verbosity": "low"},
    }
    chat = canonical(read(body), body)

    assert (chat.sent["reasoning_effort"], chat.sent["verbosity"]) == ("low", "low")
    assert chat.sent["response_format"] == {"type": "json_object"}
    assert chat.sent["messages"] == [USER]


REFUSED: list[tuple[Any, str]] = [
    ({"type": "item_reference", "id": "msg_1"}, "input.1"),
    ({"type": "shell_call", "call_id": "c"}, "input.1.action"),
    ({"type": "custom_tool_call", "call_id": "c", "name": "f"}, "input.1.input"),
    ({"type": "apply_patch_call", "call_id": "c"}, "input.1.operation"),
    ({"type": "custom_tool_call", "call_id": "c", "input": "x"}, "input.1.name"),
    ({"type": "function_call_output", "call_id": "c", "output": 5}, "input.1.output"),
    ({"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}, "input.1.content.0.file_data"),
]


@pytest.mark.parametrize(("item", "path"), REFUSED, ids=str)
def test_what_cannot_be_read_is_refused(item: Any, path: str) -> None:
    """With its place."""
    body = {"model": "m", "input": [USER, item]}
    with pytest.raises(InvalidRequest) as caught:
        canonical(read(body), body)

    assert [problem.path for problem in caught.value.problems] == [path]


CALL_IDS = st.sampled_from(["a", "b", "", None])
ITEMS = st.lists(
    st.one_of(
        st.builds(call, CALL_IDS),
        st.builds(result, CALL_IDS),
        st.builds(said, st.sampled_from(["", "x"])),
        st.builds(thought, st.sampled_from(["", "t"])),
        st.builds(lambda text: {"role": "user", "content": text}, st.sampled_from(["", "u"])),
        st.builds(
            lambda kind: {"type": kind, "id": "i", "query": "q"},
            st.sampled_from(["web_search_call", "x_output"]),
        ),
    ),
    max_size=10,
)


@fuzz
@given(ITEMS)
def test_no_history_breaks_the_rules_of_a_chat(items: list[Any]) -> None:
    """Every call has its own id and its one result right behind its message; nobody says nothing; no result is lost."""
    turns = Turns(None, [*items, USER])
    seen: set[str] = set()
    due: list[str] = []
    for message in turns.messages:
        if message["role"] == "tool":
            due.remove(message["tool_call_id"])
            continue
        assert due == []
        assert message["content"] or message.get("tool_calls")
        due = [one["id"] for one in message.get("tool_calls", ())]
        assert len({*due, *seen}) == len(due) + len(seen)
        seen.update(due)
    assert due == []
    text = json.dumps(turns.messages)
    results = sum(item.get("type") == "function_call_output" for item in items)
    assert text.count('"tool_call_id"') + text.count("Returned by") == results


@pytest.mark.parametrize("whole", [True, False])
def test_a_conversation_in_fewer_words(whole: bool) -> None:
    """A trigger asks the model for a summary, which goes out sealed and comes back as text, at any upstream."""
    body = {
        "model": "m",
        "input": [USER, {"type": "compaction_trigger"}],
        "tools": [{"type": "function", "name": "f"}],
    }
    form = read(body)
    chat = canonical(form, body)
    face = ResponsesFace(form, 1, chat.tools)
    if whole:
        data = {
            "choices": [{"message": {"content": "all in all", "reasoning": "hm"}, "finish_reason": "stop"}]
        }
        response = json.loads(face.whole(ChatResponse(data)))
    else:
        deltas = [{"reasoning": "hm"}, {"content": "all in"}, {"content": " all"}]
        chunks = [Chunk({"choices": [{"delta": delta}]}) for delta in deltas]
        events = parsed(face.events(chunks) + face.end())
        for event in events:
            check_event(event)
        response = events[-1]["response"]
    check_response(response)
    (item,) = response["output"]
    turns = Turns(None, [item, USER])

    assert (chat.sent["messages"][0], chat.sent["tool_choice"]) == (USER, "none")
    assert "Summarise" in chat.sent["messages"][1]["content"]
    assert item["type"] == "compaction"
    assert [outline(one) for one in turns.messages] == [
        "user: Summary of the conversation so far:\nall in all",
        "user: u",
    ]
    assert turns.dropped == []


@pytest.mark.parametrize("message", [{"content": " "}, {"tool_calls": []}, {}], ids=str)
def test_a_summary_that_says_nothing(message: Any) -> None:
    """It is the upstream's failure: a client would go on without its whole history."""
    body = {"model": "m", "input": [USER, {"type": "compaction_trigger"}]}
    faces = [ResponsesFace(read(body), 1) for _ in range(2)]
    with pytest.raises(UpstreamError, match="no summary"):
        faces[0].whole(ChatResponse({"choices": [{"message": message}]}))
    faces[1].event(Chunk({"choices": [{"delta": message}]}))
    with pytest.raises(UpstreamError, match="no summary"):
        faces[1].end()
    assert b"response.failed" in faces[1].failure(UpstreamError("no summary"), "r-1")
