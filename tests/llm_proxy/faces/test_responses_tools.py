"""What the client executes is the client's: each of its tools is a function upstream, and comes back as it was declared."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.faces.responses.call import InputText, whole_input
from llm_proxy.faces.responses.choice import offer
from llm_proxy.faces.responses.face import ResponsesFace
from llm_proxy.faces.responses.kinds import KINDS
from llm_proxy.faces.responses.names import fits
from llm_proxy.faces.responses.request import canonical, read
from llm_proxy.faces.responses.toolbox import Toolbox
from llm_proxy.wire.events import ChatResponse, Chunk
from tests.support.fuzz import fuzz
from tests.support.responses_reader import Reader, parsed
from tests.support.responses_types import check_event, check_response, item_types, tool_types

OBJECT: Any = {"type": "object", "properties": {"q": {"type": "string"}}}
PATCH = '*** Begin Patch\n*** Add File: ä.txt\n+"hi" \\d 😀\n*** End Patch\n'
GRAMMAR: Any = {"type": "grammar", "syntax": "lark", "definition": "start: begin_patch hunk+"}
CLICK: Any = {"type": "click", "x": 1, "y": 2, "button": "left"}
PICTURE = "data:image/png;base64,iVBORw0KGgo="


@dataclass(frozen=True)
class Case:
    """A tool, the name of its function, what a model says in a call of it, the item that the client wants (without ids
    and state), the item with the result, and what the model should read of that."""

    tool: Any
    name: str
    says: Any
    item: Any
    result: Any
    reads: Any
    words: tuple[str, ...] = field(default=())


CASES: dict[str, Case] = {
    "function": Case(
        {"type": "function", "name": "f", "parameters": OBJECT, "defer_loading": True},
        "f",
        {"q": "x"},
        {"type": "function_call", "name": "f", "arguments": '{"q":"x"}'},
        {"type": "function_call_output", "output": "r"},
        "r",
    ),
    "function that no vendor would take by its name": Case(
        {"type": "function", "name": "a.b/c", "parameters": OBJECT, "output_schema": {"type": "integer"}},
        "a_b_c",
        {"q": "x"},
        {"type": "function_call", "name": "a.b/c", "arguments": '{"q":"x"}'},
        {"type": "function_call_output", "output": [{"type": "input_text", "text": "r"}]},
        "r",
        ('{"type":"integer"}',),
    ),
    "custom": Case(
        {"type": "custom", "name": "apply_patch", "description": "FREEFORM", "format": GRAMMAR},
        "apply_patch",
        {"input": PATCH},
        {"type": "custom_tool_call", "name": "apply_patch", "input": PATCH},
        {"type": "custom_tool_call_output", "output": "Done"},
        "Done",
        ("FREEFORM", "Lark", "start: begin_patch hunk+", "`input`"),
    ),
    "custom with a regex": Case(
        {
            "type": "custom",
            "name": "when",
            "format": {"type": "grammar", "syntax": "regex", "definition": "[0-9]+"},
        },
        "when",
        {"input": "12"},
        {"type": "custom_tool_call", "name": "when", "input": "12"},
        {"type": "custom_tool_call_output", "output": [{"type": "input_image", "image_url": PICTURE}]},
        [{"type": "image_url", "image_url": {"url": PICTURE}}],
        ("regular expression", "[0-9]+"),
    ),
    "namespace": Case(
        {
            "type": "namespace",
            "name": "mcp__docs__",
            "description": "All docs.",
            "tools": [{"type": "function", "name": "search", "parameters": OBJECT}],
        },
        "mcp__docs__search",
        {"q": "x"},
        {"type": "function_call", "name": "search", "namespace": "mcp__docs__", "arguments": '{"q":"x"}'},
        {"type": "function_call_output", "output": "r"},
        "r",
        ("All docs.",),
    ),
    "custom in a namespace": Case(
        {
            "type": "namespace",
            "name": "fs",
            "description": "",
            "tools": [{"type": "custom", "name": "write"}],
        },
        "fs__write",
        {"input": "a\nb"},
        {"type": "custom_tool_call", "name": "write", "namespace": "fs", "input": "a\nb"},
        {"type": "custom_tool_call_output", "output": "r"},
        "r",
    ),
    "shell": Case(
        {
            "type": "shell",
            "environment": {"type": "local", "skills": [{"name": "s", "path": "/p", "description": "d"}]},
        },
        "shell",
        {"commands": ["ls", "pwd"], "timeout_ms": 9},
        {
            "type": "shell_call",
            "action": {"commands": ["ls", "pwd"], "timeout_ms": 9, "max_output_length": None},
            "environment": {"type": "local"},
        },
        {
            "type": "shell_call_output",
            "output": [
                {"stdout": "a", "stderr": "b", "outcome": {"type": "exit", "exit_code": 2}},
                {"stdout": "c", "stderr": "", "outcome": {"type": "timeout"}},
            ],
        },
        "a\nstderr: b\nexit code: 2\nc\ntimeout",
        ("/p",),
    ),
    "local shell": Case(
        {"type": "local_shell"},
        "local_shell",
        {"command": ["ls"], "working_directory": "/w"},
        {
            "type": "local_shell_call",
            "action": {
                "type": "exec",
                "command": ["ls"],
                "env": {},
                "timeout_ms": None,
                "user": None,
                "working_directory": "/w",
            },
        },
        {"type": "local_shell_call_output", "output": '{"output":"r"}'},
        '{"output":"r"}',
    ),
    "apply_patch": Case(
        {"type": "apply_patch"},
        "apply_patch",
        {"type": "update_file", "path": "a", "diff": "@@\n-x\n+y"},
        {"type": "apply_patch_call", "operation": {"type": "update_file", "path": "a", "diff": "@@\n-x\n+y"}},
        {"type": "apply_patch_call_output", "status": "failed", "output": "no such file"},
        "failed: no such file",
    ),
    "tool_search": Case(
        {"type": "tool_search", "execution": "client", "description": "BM25", "parameters": OBJECT},
        "tool_search",
        {"q": "x"},
        {"type": "tool_search_call", "execution": "client", "arguments": {"q": "x"}},
        {
            "type": "tool_search_output",
            "execution": "client",
            "tools": [
                {
                    "type": "namespace",
                    "name": "mcp__a",
                    "tools": [{"type": "function", "name": "g", "parameters": None}],
                }
            ],
        },
        "Loaded: mcp__a__g",
        ("BM25",),
    ),
    "computer": Case(
        {"type": "computer"},
        "computer",
        {"actions": [CLICK, {"type": "screenshot"}]},
        {"type": "computer_call", "actions": [CLICK, {"type": "screenshot"}], "pending_safety_checks": []},
        {"type": "computer_call_output", "output": {"type": "computer_screenshot", "image_url": PICTURE}},
        [{"type": "image_url", "image_url": {"url": PICTURE}}],
    ),
    "computer, the preview": Case(
        {
            "type": "computer_use_preview",
            "display_width": 800,
            "display_height": 600,
            "environment": "browser",
        },
        "computer_use_preview",
        CLICK,
        {"type": "computer_call", "action": CLICK, "pending_safety_checks": []},
        {"type": "computer_call_output", "output": {"type": "computer_screenshot", "image_url": PICTURE}},
        [{"type": "image_url", "image_url": {"url": PICTURE}}],
        ("800x600", "browser"),
    ),
}
EACH = pytest.mark.parametrize("name", CASES)
USER: Any = {"role": "user", "content": "q"}


def sent(**fields: Any) -> Any:
    """The chat request for one of this API."""
    body = {"model": "m", "input": "q", **fields}
    return canonical(read(body), body)


def a_face(tools: list[Any], **fields: Any) -> ResponsesFace:
    """A face for an answer to a request with these tools."""
    body = {"model": "m", "input": "q", "tools": tools, **fields}
    form = read(body)
    return ResponsesFace(form, 1, canonical(form, body).tools, lambda: 2)


def called(name: str, arguments: str, call_id: str = "c1") -> Any:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def streamed(face: ResponsesFace, *deltas: Any, finish: str = "tool_calls") -> list[Any]:
    """All events of an answer of these deltas, each of which has passed the official client's types."""
    chunks = [Chunk({"choices": [{"delta": delta}]}) for delta in deltas]
    last = Chunk({"choices": [{"delta": {}, "finish_reason": finish}], "usage": {"prompt_tokens": 1}})
    events = parsed(face.events([*chunks, last]) + face.end())
    Reader().read([json.loads(json.dumps(event)) for event in events])
    for event in events:
        check_event(event)
    return events


def in_pieces(name: str, arguments: str) -> list[Any]:
    """A call, character by character."""
    pieces: list[Any] = [{"tool_calls": [{"index": 0, **called(name, "")}]}]
    pieces += [{"tool_calls": [{"index": 0, "function": {"arguments": one}}]} for one in arguments]
    return pieces


def without(item: Any, *names: str) -> Any:
    return {name: value for name, value in item.items() if name not in ("id", "status", *names)}


@EACH
def test_a_tool_of_the_client_is_a_function(name: str) -> None:
    """Under a name that every vendor takes, with a schema, and with all that the client says of it."""
    case = CASES[name]
    chat = sent(tools=[case.tool])
    (function,) = [tool["function"] for tool in chat.sent["tools"]]

    assert (chat.dropped, function["name"]) == ([], case.name)
    assert function["parameters"]["type"] == "object"
    assert all(word in function["description"] for word in case.words)


@EACH
@pytest.mark.parametrize("whole", [True, False])
def test_its_call_comes_back_as_what_was_declared(name: str, whole: bool) -> None:
    """Whole and character by character; the official client's types take every event and every object."""
    case = CASES[name]
    arguments = json.dumps(case.says, separators=(",", ":"))
    face = a_face([case.tool])
    if whole:
        message = {"content": None, "tool_calls": [called(case.name, arguments)]}
        data = {"choices": [{"message": message, "finish_reason": "tool_calls"}]}
        response = json.loads(face.whole(ChatResponse(data)))
        check_response(response)
    else:
        response = streamed(face, *in_pieces(case.name, arguments))[-1]["response"]
    (item,) = response["output"]

    assert (response["status"], item["status"]) == ("completed", "completed")
    assert without(item) == {**case.item, "call_id": "c1"}


@EACH
def test_its_items_in_a_history(name: str) -> None:
    """They are a call of the same function and its result, whether the tool is still declared or not."""
    case = CASES[name]
    items = [USER, {**case.item, "id": "i1", "call_id": "c1"}, {**case.result, "id": "i2", "call_id": "c1"}]
    for tools in ([case.tool], []):
        chat = sent(tools=tools, input=items)
        _, assistant, result = chat.sent["messages"]
        (call,) = assistant["tool_calls"]

        assert chat.dropped == []
        arguments = json.loads(call["function"]["arguments"])
        if tools:
            assert call["function"]["name"] == case.name
            assert {name: arguments[name] for name in case.says} == case.says
        assert fits(call["function"]["name"])
        assert result == {"role": "tool", "tool_call_id": call["id"], "content": case.reads}


@EACH
@pytest.mark.parametrize("arguments", ["no object", "[1]", '{"odd": 1}', "", '{"input": 5, "x": "y"}'])
def test_arguments_that_mean_nothing_are_not_lost(name: str, arguments: str) -> None:
    """They come as they are: as the input of a custom tool, else as a call of a function with the tool's name."""
    case = CASES[name]
    events = streamed(a_face([case.tool]), *in_pieces(case.name, arguments))
    (item,) = events[-1]["response"]["output"]

    if case.item["type"] == "custom_tool_call":
        assert item["input"] == ("" if arguments == "" else arguments)
    elif item["type"] == "function_call":
        assert (item["name"], item["arguments"]) == (case.item.get("name", case.name), arguments or "{}")
    else:
        assert item["type"] == case.item["type"] == "tool_search_call"


def test_what_a_model_writes_for_what_is_meant() -> None:
    """A text for a list, an action alone, an operation one level deeper, a number with a point."""
    wanted: list[tuple[str, Any, str, Any]] = [
        (
            "shell",
            {"command": "ls", "timeout_ms": 5.0},
            "action",
            {"commands": ["ls"], "timeout_ms": 5, "max_output_length": None},
        ),
        (
            "local shell",
            {"command": "ls -l"},
            "action",
            {"type": "exec", "command": ["bash", "-lc", "ls -l"]},
        ),
        (
            "apply_patch",
            {"operation": {"type": "delete_file", "path": "a"}},
            "operation",
            {"type": "delete_file", "path": "a"},
        ),
        (
            "computer",
            {"type": "scroll", "x": 1, "y": 2.0},
            "actions",
            [{"type": "scroll", "x": 1, "y": 2, "scroll_x": 0, "scroll_y": 0}],
        ),
        (
            "computer, the preview",
            {"action": {"type": "keypress", "keys": ["a"]}},
            "action",
            {"type": "keypress", "keys": ["a"]},
        ),
        (
            "computer",
            {"actions": [{"type": "drag", "path": [{"x": 1, "y": 1}, {"x": 2, "y": 2}]}]},
            "actions",
            [{"type": "drag", "path": [{"x": 1, "y": 1}, {"x": 2, "y": 2}]}],
        ),
    ]
    for name, says, place, means in wanted:
        case = CASES[name]
        events = streamed(a_face([case.tool]), *in_pieces(case.name, json.dumps(says)))
        found = events[-1]["response"]["output"][0][place]
        assert (found if isinstance(means, list) else {k: found[k] for k in means}) == means


BAD_ACTIONS: list[Any] = [
    {"type": "click", "x": 1},
    {"type": "click", "x": "1", "y": 2},
    {"type": "type"},
    {"type": "drag", "path": [{"x": 1, "y": 1}]},
    {"type": "drag", "path": [{"x": 1, "y": 1}, 5]},
    {"type": "keypress"},
    {"type": "dance"},
    5,
]


@pytest.mark.parametrize("action", BAD_ACTIONS, ids=str)
def test_an_action_that_is_not_complete_is_not_guessed(action: Any) -> None:
    """It comes as a call of a function, which no program takes for a click."""
    events = streamed(
        a_face([{"type": "computer"}]), *in_pieces("computer", json.dumps({"actions": [action]}))
    )

    assert [item["type"] for item in events[-1]["response"]["output"]] == ["function_call"]


def test_every_kind_of_tool_is_known() -> None:
    """Of the newest client: a new one must be either the client's or a vendor's, and we should know which."""
    vendors = {
        kind
        for kind in tool_types()
        if kind.startswith(("web_search", "image_", "file_", "code_", "mcp", "prog"))
    }

    assert tool_types() - vendors == {*KINDS, "namespace"}


VENDORS: list[Any] = [
    {"type": "web_search"},
    {"type": "web_search_preview_2025_03_11"},
    {"type": "file_search", "vector_store_ids": ["v"]},
    {"type": "code_interpreter", "container": {"type": "auto"}},
    {"type": "image_generation"},
    {"type": "mcp", "server_label": "s", "server_url": "http://s"},
    {"type": "programmatic_tool_calling"},
    {"type": "tool_search"},
    {"type": "shell", "environment": {"type": "container_auto"}},
    {"type": "of tomorrow\r\nX: y"},
    {},
]


def test_what_runs_at_a_vendor_is_dropped_by_name() -> None:
    """Each with its place and its type, which is no way to write a header."""
    chat = sent(tools=[CASES["function"].tool, *VENDORS])

    assert [tool["function"]["name"] for tool in chat.sent["tools"]] == ["f"]
    assert chat.dropped == [
        *("tools.1 (web_search)", "tools.2 (web_search_preview_2025_03_11)", "tools.3 (file_search)"),
        *("tools.4 (code_interpreter)", "tools.5 (image_generation)", "tools.6 (mcp)"),
        *("tools.7 (programmatic_tool_calling)", "tools.8 (tool_search)", "tools.9 (shell)"),
        *("tools.10 (type not known)", "tools.11 (type not known)"),
    ]


def test_every_tool_of_one_request_has_its_own_name() -> None:
    """Functions keep theirs; long, odd and equal ones differ, and each comes back as itself."""
    long = "n" * 80
    tools: list[Any] = [
        {"type": "shell"},
        {"type": "function", "name": "shell"},
        {"type": "function", "name": "a__b"},
        {
            "type": "namespace",
            "name": "a",
            "tools": [{"type": "function", "name": "b"}, {"type": "custom", "name": "b"}],
        },
        {"type": "namespace", "name": "a ", "tools": [{"type": "function", "name": "b"}]},
        {
            "type": "namespace",
            "name": long,
            "tools": [{"type": "function", "name": one} for one in ("x", "y")],
        },
        {"type": "function", "name": "1.x"},
        {"type": "function", "name": "1/x"},
    ]
    box = Toolbox(tools)

    assert (box.dropped, box.problems) == ([], [])
    assert len(box.tools) == 10
    assert all(fits(name) for name in box.tools)
    assert [name for name, one in box.tools.items() if one.is_plain] == ["shell", "a__b"]
    for name, one in box.tools.items():
        assert box.named(one.kind, one.name, one.namespace) == name or one.is_own


def test_tools_that_are_found_or_added_later() -> None:
    """They are offered from then on, each once."""
    found: Any = {"type": "function", "name": "g", "defer_loading": True, "parameters": OBJECT}
    items: list[Any] = [
        USER,
        {"type": "tool_search_call", "execution": "server", "call_id": None, "arguments": {"paths": ["g"]}},
        {"type": "tool_search_output", "execution": "server", "call_id": None, "tools": [found]},
        {
            "type": "additional_tools",
            "role": "developer",
            "tools": [found, {"type": "custom", "name": "h"}, {"type": "mcp"}],
        },
    ]
    chat = sent(input=items, tools=[{"type": "function", "name": "f"}])

    assert [tool["function"]["name"] for tool in chat.sent["tools"]] == ["f", "g", "h"]
    assert chat.sent["messages"] == [USER]
    assert chat.dropped == ["input.1 (tool_search_call)", "input.3.tools.2 (mcp)"]


def test_a_tool_that_is_declared_twice() -> None:
    """Is offered once, and the other is named: vendors refuse two of one name."""
    chat = sent(
        tools=[{"type": "function", "name": "f"}, {"type": "function", "name": "f", "parameters": OBJECT}]
    )

    assert (len(chat.sent["tools"]), chat.dropped) == (1, ["tools.1 (declared twice)"])


ALL: list[Any] = [
    *(
        CASES[name].tool
        for name in ("function", "namespace", "shell", "local shell", "tool_search", "computer")
    ),
    {"type": "custom", "name": "patch"},
    {"type": "apply_patch"},
    {"type": "web_search"},
]
CHOICES: list[tuple[Any, Any, Any]] = [
    (None, None, None),
    ("none", "none", None),
    ("required", "required", None),
    ({"type": "function", "name": "f"}, "f", None),
    ({"type": "function", "name": "search", "namespace": "mcp__docs__"}, "mcp__docs__search", None),
    ({"type": "function", "name": "search"}, "mcp__docs__search", None),
    ({"type": "function", "name": "mcp__docs__search"}, "mcp__docs__search", None),
    ({"type": "custom", "name": "patch"}, "patch", None),
    ({"type": "shell"}, "shell", None),
    ({"type": "local_shell"}, "local_shell", None),
    ({"type": "apply_patch"}, "apply_patch", None),
    ({"type": "tool_search"}, "tool_search", None),
    ({"type": "computer_use"}, "computer", None),
    ({"type": "computer_use_preview"}, "computer", None),
    ({"type": "namespace", "name": "mcp__docs__"}, "mcp__docs__search", None),
    (
        {
            "type": "allowed_tools",
            "mode": "required",
            "tools": [
                {"type": "custom", "name": "patch"},
                {"type": "shell"},
                {"type": "mcp", "server_label": "x"},
            ],
        },
        "required",
        ["shell", "patch"],
    ),
    (
        {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "namespace", "name": "mcp__docs__"}]},
        "auto",
        ["mcp__docs__search"],
    ),
]
LOST: list[Any] = [
    {"type": "web_search"},
    {"type": "mcp", "server_label": "s"},
    {"type": "function", "name": "nobody"},
    {"type": "custom", "name": "f"},
    {"type": "programmatic_tool_calling"},
    {"type": "function", "name": {"a": 1}},
    {"type": ["x"]},
    {},
]


@pytest.mark.parametrize(("choice", "wanted", "names"), CHOICES, ids=str)
def test_a_choice_of_any_form(choice: Any, wanted: Any, names: Any) -> None:
    """It means the same tools upstream."""
    chat = sent(tools=ALL, tool_choice=choice)
    got = chat.sent.get("tool_choice")

    assert (got["function"]["name"] if isinstance(got, dict) else got) == wanted
    assert "tool_choice" not in chat.dropped
    if names is not None:
        assert [tool["function"]["name"] for tool in chat.sent["tools"]] == names


@pytest.mark.parametrize("choice", LOST, ids=str)
def test_a_choice_of_what_is_not_offered(choice: Any) -> None:
    """Is dropped and named, the tools stay."""
    chat = sent(tools=ALL, tool_choice=choice)

    assert "tool_choice" not in chat.sent
    assert "tool_choice" in chat.dropped
    assert len(chat.sent["tools"]) == 8


@pytest.mark.parametrize(
    "choice", [*LOST, "required", {"type": "allowed_tools", "mode": "required", "tools": 5}], ids=str
)
def test_a_choice_without_any_tool(choice: Any) -> None:
    """Is dropped and named too."""
    assert (offer(Toolbox(), choice).tools, offer(Toolbox(), choice).dropped) == ([], True)


@fuzz
@given(st.text(), st.integers(1, 7), st.booleans())
def test_a_custom_text_comes_piece_by_piece(text: str, size: int, ascii_only: bool) -> None:
    """The deltas spell the text that the JSON means, wherever it is cut, escaped or not."""
    arguments = json.dumps({"input": text}, ensure_ascii=ascii_only)
    reader = InputText()
    said = "".join(reader.feed(arguments[at : at + size]) for at in range(0, len(arguments), size))

    assert said == text == whole_input(arguments)


WRITTEN: list[tuple[str, str]] = [
    ('{"input":"a\nb"}', "a\nb"),
    ('{ "input" : "\\d+" }', "\\d+"),
    ('{"patch": "p"}', "p"),
    ('"just text"', "just text"),
    ("*** Begin Patch", "*** Begin Patch"),
    ("{}", ""),
    ('{"input":"\\ud83d"}', "\ufffd"),
    ('{"why":"because","input":"p"}', "p"),
    ('{"input":"cut o', "cut o"),
    ('{"input":"cut \\', "cut "),
    ('{"input":"x"} ', "x"),
]


@pytest.mark.parametrize(("arguments", "meant"), WRITTEN, ids=str)
def test_a_custom_text_however_a_model_writes_it(arguments: str, meant: str) -> None:
    """Unescaped lines, escapes that JSON has not, another name, no JSON at all, cut off."""
    events = streamed(a_face([{"type": "custom", "name": "p"}]), *in_pieces("p", arguments))
    item = events[-1]["response"]["output"][0]

    assert (item["type"], item["input"]) == ("custom_tool_call", meant)
    assert (
        "".join(e["delta"] for e in events if e["type"] == "response.custom_tool_call_input.delta") == meant
    )


def test_a_call_that_the_limit_cut_short() -> None:
    """A patch is not half a patch: it comes as it was cut, in an answer that says so."""
    for name in ("shell", "apply_patch", "computer"):
        case = CASES[name]
        cut = json.dumps(case.says)[:-3]
        events = streamed(a_face([case.tool]), *in_pieces(case.name, cut), finish="length")
        (item,) = events[-1]["response"]["output"]

        assert events[-1]["type"] == "response.incomplete"
        assert (item["type"], item["arguments"], item["status"]) == ("function_call", cut, "incomplete")


def test_every_kind_of_item_is_read() -> None:
    """Whatever the newest client may send is taken: as messages, or named, or refused for what is not kept here."""
    refused = {"item_reference"}
    small: Any = {
        "call_id": "c",
        "name": "f",
        "arguments": "{}",
        "input": "x",
        "role": "user",
        "content": "x",
        "output": "x",
        "action": {"commands": ["a"], "command": ["a"], "type": "wait"},
        "operation": {"type": "delete_file"},
    }
    for kind in item_types() - refused - {"reasoning", "message"}:
        chat = sent(input=[USER, {**small, "type": kind}])
        assert (
            len(chat.sent["messages"]) == 2
            or chat.dropped
            or kind in ("additional_tools", "configuration_update")
        )
