"""The playground: every API, every kind of failure, pictures, tools, two models, and the same outside of the page."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from typing import Any

import pytest

from tests.browser.conftest import Visit
from tests.browser.kit import ask, ended, open_page
from tests.browser.world import World

FACES = ("openai", "responses", "anthropic", "ollama", "gemini", "api")
#: What the doubles say to anything.
SAID = 'Hello from the double: zażółć 漢字 😀\n"done".'
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.mark.parametrize("model", ["words", "qwen", "claude", "gemini"])
def test_every_face(world: World, visit: Visit, model: str) -> None:
    """Any model is asked by any API; the answer is streamed, its events are shown beside it, tokens and times are told."""
    page = visit(world.url, "playground")
    page.get_by_label("Raw events").check()
    for face in FACES:
        turn = ask(page, model, face=face)

        assert turn.locator(".said").last.inner_text().strip() == SAID, face
        line = turn.locator(".facts-line").inner_text()
        assert all(part in line for part in ("first token", " out", "-double")), (face, line)
        assert turn.locator(".events").is_visible()
        page.get_by_role("button", name="Clear").click()


def test_whole_answers(world: World, visit: Visit) -> None:
    """Without a stream the answer of every API is read as well."""
    page = visit(world.url, "playground")
    page.get_by_label("Stream").uncheck()
    for face in FACES:
        turn = ask(page, "words", face=face)

        assert turn.locator(".said").last.inner_text().strip() == SAID, face
        page.get_by_role("button", name="Clear").click()


#: Model, and what must be told of its failure.
_FAILURES = {
    "error-400": "400",
    "error-401": "502 upstream_auth",
    "error-403": "403",
    "error-429": "429",
    "error-500": "502",
    "error-503": "503",
    "unreachable": "50",
    "dies": "overloaded|upstream",
    "mute": "cut|upstream",
    "no-such-model": "404 model_not_found",
}


def test_failures(world: World, visit: Visit) -> None:
    """An error of each kind is shown with its code and its words; what came before it stays, and the next question does not
    repeat what failed."""
    page = visit(world.url, "playground")
    page.sights.expected = ("Failed to load resource", "ERR_")
    for model, told in _FAILURES.items():
        turn = ask(page, model)
        note = turn.get_by_role("alert").filter(has_text=re.compile(told))
        note.wait_for()

        assert len(note.inner_text()) > 15, model
        page.get_by_role("button", name="Clear").click()
    for face in ("anthropic", "gemini", "ollama", "responses"):
        turn = ask(page, "no-such-model", face=face)

        assert "404" in turn.get_by_role("alert").inner_text(), face
        assert "no-such-model" in turn.get_by_role("alert").inner_text(), face
        page.get_by_role("button", name="Clear").click()
    before = len(world.openai.requests)
    ask(page, "error-400", "first", face="openai")
    ask(page, "words", "second")
    said = world.openai.requests[-1].json()["messages"]

    assert len(world.openai.requests) >= before + 2
    assert [message["content"] for message in said] == ["second"]


def test_stop_of_its_own_answer(world: World, visit: Visit) -> None:
    """An answer that is long can be stopped; what came stays."""
    page = visit(world.url, "playground")
    page.sights.expected = ("ERR_",)
    page.get_by_label("Model", exact=True).first.fill("slow")
    page.get_by_label("Message").fill("Hello!")
    page.get_by_label("Message").press("Enter")
    turn = page.locator(".turn.assistant")
    turn.get_by_text("Hello", exact=True).wait_for()
    page.get_by_role("button", name="Stop", exact=True).click()
    turn.get_by_text("You stopped it.").wait_for()


def test_a_conversation(world: World, visit: Visit) -> None:
    """The second question goes with the first and its answer; another page may be looked at in between."""
    page = visit(world.url, "playground")
    ask(page, "words", "First?")
    open_page(page, "models")
    open_page(page, "playground")
    ask(page, "words", "Second?")
    said = world.openai.requests[-1].json()["messages"]

    assert [message["role"] for message in said] == ["user", "assistant", "user"]
    assert said[1]["content"] == SAID


def test_a_picture(world: World, visit: Visit) -> None:
    """A picture is sent in the form of each API, and reaches the model."""
    page = visit(world.url, "playground")
    for face in ("openai", "responses", "anthropic", "ollama", "gemini"):
        page.get_by_label("Pictures").set_input_files(
            {"name": "dot.png", "mimeType": "image/png", "buffer": PNG}
        )
        page.get_by_alt_text("picture 1 to send").wait_for()
        ask(page, "words", "What is it?", face=face)
        content = world.openai.requests[-1].json()["messages"][-1]["content"]

        assert base64.b64encode(PNG).decode() in json.dumps(content), face
        page.get_by_role("button", name="Clear").click()


def test_a_tool(world: World, visit: Visit) -> None:
    """A tool is offered in the form of each API; the model's call is shown, its result goes back, and the answer comes."""
    page = visit(world.url, "playground")
    page.get_by_role("button", name="an example").click()
    for face, model in zip(FACES, ("words", "words", "claude", "qwen", "gemini", "words"), strict=True):
        turn = ask(page, model, "What is the weather in Paris?", face=face)
        turn.get_by_text("get_weather").first.wait_for()

        assert "Paris" in turn.locator("pre").first.inner_text(), face
        turn.get_by_role("button", name="Send the result").click()
        after = page.locator(".turn.assistant").nth(1)
        ended(after)

        assert after.get_by_role("alert").count() == 0, (face, after.inner_text())
        page.get_by_role("button", name="Clear").click()


def test_two_models(world: World, visit: Visit) -> None:
    """One question, two models side by side, each by its own API."""
    page = visit(world.url, "playground")
    page.get_by_label("Two models side by side").check()
    page.get_by_label("Model", exact=True).nth(1).fill("claude")
    page.get_by_label("Model", exact=True).nth(1).press("Tab")
    page.get_by_label("API", exact=True).nth(1).select_option("anthropic")
    ask(page, "words")
    ended(page.locator(".turn.assistant").nth(1))
    sides = page.locator("section[aria-label=Conversation]")

    assert "openai-double" in sides.nth(0).inner_text()
    assert "anthropic-double" in sides.nth(1).inner_text()


def test_options_and_prompts(world: World, visit: Visit) -> None:
    """Options, a prompt of the library with its slots, and fields that the page does not know reach the model."""
    page = visit(world.url, "playground")
    page.get_by_label("Prompt of the library").select_option("conversation")
    page.get_by_label("System prompt").fill("Be brief.")
    page.get_by_label("Temperature").fill("0.5")
    page.get_by_label("Most tokens").fill("64")
    page.get_by_label("More fields of the request, as JSON").fill('{"user": "me"}')
    ask(page, "words")
    sent = world.openai.requests[-1].json()

    assert sent["messages"][0]["content"] == "Be kind.\n\nBe brief."
    assert (sent["temperature"], sent["user"]) == (0.5, "me")
    assert 64 in (sent.get("max_tokens"), sent.get("max_completion_tokens"))


#: Runs the programs that it is given, one after the other, so that what they import is imported once.
_PROGRAMS = """
import json, sys
for text in json.load(sys.stdin):
    exec(compile(text, "pasted", "exec"), {"__name__": "__main__"})
    print("\\0", end="", flush=True)
"""


def test_outside_of_the_page(world: World, visit: Visit) -> None:
    """What "as curl" and "as Python" show does the same: it is run, for every API."""
    page = visit(world.url, "playground")
    asked = 'It\'s "quoted" & $HOME'
    programs = []
    for face in FACES:
        turn = ask(page, "words", asked, face=face)
        line = _shown(page, turn, "as curl")
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60, check=False)
        _same(world, face, done.stdout, asked)
        programs.append(_shown(page, turn, "as Python"))
        page.get_by_role("button", name="Clear").click()
    before = len(world.openai.requests)
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAMS],
        input=json.dumps(programs),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert len(world.openai.requests) == before + len(FACES)
    for at, (face, said) in enumerate(zip(FACES, done.stdout.split("\0"), strict=False)):
        _same(world, face, said, asked, before + at)


def _same(world: World, face: str, said: str, asked: str, at: int = -1) -> None:
    """The double was asked that, and its answer came."""
    assert "double" in said, (face, said)
    last = world.openai.requests[at].json()["messages"][-1]["content"]
    assert asked in json.dumps(last, ensure_ascii=False).replace('\\"', '"'), face


def _shown(page: Any, turn: Any, button: str) -> str:
    turn.get_by_role("button", name=button).click()
    text: str = page.locator("#drawer pre").inner_text()
    page.keyboard.press("Escape")
    return text
