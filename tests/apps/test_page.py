"""The page about programs says what the runs found, in order that nobody writes it by hand; and the harness is sound."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.apps import pictures_mcp
from tests.apps.pins import PINS
from tests.apps.places import MCP
from tests.apps.programs import APPS
from tests.apps.results import Cell, load
from tests.apps.scripted.mind import FILE, Call, Offer, Seen, decide, done
from tests.apps.scripted.server import KINDS
from tests.apps.table import PAGE, page

pytestmark = pytest.mark.one_python("pages and their samples are the same for every Python")


def test_the_page_is_current() -> None:
    """``docs/clients.md`` is made from ``results.json``; ``make test-apps`` writes both."""
    assert PAGE.read_text("utf-8") == page(load())


def test_every_result_has_its_program() -> None:
    """No result of a program or of a kind of upstream that is there no more; every program has a pin."""
    kinds = {*KINDS, *(f"{kind}+mcp" for kind in KINDS)}

    assert not {app: cells for app, cells in load().items() if app not in APPS or cells.keys() - kinds}
    assert {app.pin for app in APPS.values()} <= PINS.keys()


def test_a_cell_of_another_version_was_not_run() -> None:
    """A changed pin makes the page forget what was found with the version before."""
    app = APPS["llm"]
    old, now = Cell("0.0", "it broke"), Cell(app.version, "it broke")

    assert "it broke" not in page({"llm": {"openai": old}})
    assert "1. it broke" in page({"llm": {"openai": now}})


def test_the_server_of_pictures_answers_as_the_protocol_says() -> None:
    """Hello, the list, the call, an unknown method; notifications are not answered."""
    asked = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-03-26"}},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
        {
            "jsonrpc": "2.0",
            "id": 3,
            "method": "tools/call",
            "params": {"name": "draw_picture", "arguments": {}},
        },
        {"jsonrpc": "2.0", "id": 4, "method": "resources/list"},
    ]
    lines = "\n".join(map(json.dumps, asked))
    done = subprocess.run([sys.executable, str(MCP)], input=lines, capture_output=True, text=True, check=True)
    first, tools, called, unknown = map(json.loads, done.stdout.splitlines())

    assert first["result"]["protocolVersion"] == "2025-03-26"
    assert tools["result"]["tools"] == [pictures_mcp.TOOL]
    assert [part["type"] for part in called["result"]["content"]] == ["text", "image"]
    assert unknown["error"]["code"] == -32601


_WRITE = {"type": "object", "properties": {"file_path": {"type": "string"}, "content": {"type": "string"}}}
_SHELL = {"type": "object", "properties": {"command": {"type": "array", "items": {"type": "string"}}}}


@pytest.mark.parametrize(
    ("offer", "arguments"),
    [
        (Offer("Write", _WRITE), {"file_path": "/w/hello.txt", "content": "word1"}),
        (Offer("run_commands", _SHELL), {"command": ["printf word1 > /w/hello.txt"]}),
    ],
)
def test_the_model_calls_the_tool_that_fits(offer: Offer, arguments: object) -> None:
    """Its arguments fit the schema; after the result it says the words that were nowhere before."""
    task = "Create the file /w/hello.txt with the content word1 and nothing else."
    other = Offer("Read", {"type": "object", "properties": {"path": {"type": "string"}}})

    assert FILE.search(task)
    assert decide(Seen((task,), (other, offer))).calls == (Call(offer, arguments),)  # type: ignore[arg-type]
    assert decide(Seen((task,), (other, offer), (offer.name,), 1)).text == done("word1")
    assert done("word1") not in task


def test_nothing_of_a_program_is_in_the_repository() -> None:
    """What is installed stands in a cache of its own."""
    from tests.apps.install import program

    here = Path(__file__).resolve().parents[2]
    assert all(here not in program(pin).parents for pin in PINS.values())
