"""What happens while somebody looks: edits, a lost connection, a request that is stopped."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Visit
from tests.browser.kit import PAGES, open_page, until, when
from tests.browser.world import World
from tests.support.client import Connection

DEMO: dict[str, Any] = {"demo": {"demo": {}}}
Edit = Callable[[Mapping[str, Any] | str], int]


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One that may be edited, from the page too."""
    with World(tmp_path_factory.mktemp("edited"), DEMO, console_write=1) as made:
        yield made


@pytest.fixture
def edit(edited: World) -> Edit:
    """Saves a configuration that is right, and waits until it serves; which generation it is. Nothing else is there at first."""

    def save(rows: Mapping[str, Any] | str) -> int:
        meant = json.loads(rows) if isinstance(rows, str) else rows
        names = sum(name != "defaults" for models in meant.values() for name in models if name[0] != "$")
        edited.edit(rows)
        asked = {"text": edited.program.config_file.read_text()}

        def status() -> Any:
            page = {"Sec-Fetch-Site": "same-origin"}
            same = edited.ask("POST", "/console/api/config/preview", {"edit": asked}, page).json()["same"]
            found = edited.ask("GET", "/api/status").json()
            return found if same and found["state"] == "applied" and found["models"] == names else None

        generation: int = when(status)["generation"]
        return generation

    save(DEMO)
    return save


def test_a_rejected_edit(edited: World, edit: Edit, visit: Visit) -> None:
    """A file that is wrong is a banner on every page, with its line on the page Configuration; mended, the banner goes."""
    page = visit(edited.url)
    edited.edit('{\n  "demo": {\n    "demo": {"wieght": 3}\n  }\n}')
    banner = page.locator("#banners .bad")
    banner.get_by_text("rejected").wait_for()
    page.locator("main .note.bad").get_by_text("The last edit was rejected").wait_for()
    for name in PAGES:
        open_page(page, name)

        assert banner.is_visible()
        assert "wieght" in banner.inner_text()

    open_page(page, "configuration")
    hit = page.locator(".lines .hit")
    hit.wait_for()

    assert hit.inner_text().startswith("3")
    assert page.locator("#nav .bad").inner_text() == "rejected"

    edit(DEMO)
    banner.wait_for(state="detached")


def test_an_edit_from_the_page(edited: World, edit: Edit, visit: Visit) -> None:
    """What an edit would do is told in words and written then; back to a generation as well; without the right nothing is written."""
    page = visit(edited.url, "configuration/edit")
    page.sights.expected = ("409",)
    text = page.get_by_label("models-config.json")
    text.fill('{"demo": {"demo": {}, "second": {"weight": "many"}}}')
    page.get_by_role("button", name="What would this do?").click()
    page.get_by_text("It would be rejected").wait_for()
    wanted = '{\n  "demo": {"demo": {},\n           "second": {}}\n}\n'
    text.fill(wanted)
    page.get_by_role("button", name="What would this do?").click()
    page.locator(".changes", has_text="second").wait_for()

    assert edited.program.config_file.read_text() == json.dumps(DEMO)

    page.get_by_role("button", name="Write it").click()
    page.get_by_text("Written.").wait_for()

    assert edited.program.config_file.read_text() == wanted

    page.get_by_role("button", name="Generations").click()
    page.get_by_role("button", name="Back to this one").first.click()  # the one before
    page.get_by_role("button", name=re.compile(r"Back to generation \d+")).click()
    until(page, "document.querySelector('#nav a[href=\"#/models\"] span').textContent == '1'")

    assert json.loads(edited.program.config_file.read_text()) == DEMO


def test_what_was_begun_stays(edited: World, edit: Edit, visit: Visit) -> None:
    """An edit of somebody else takes away neither what is typed nor what would be written next."""
    page = visit(edited.url, "configuration/edit")
    typed = '{"demo": {"mine": {}}}'
    page.get_by_label("models-config.json").fill(typed)
    page.get_by_role("button", name="Generations").click()
    last = edit({"demo": {"demo": {}, "second": {}}})
    page.get_by_role("heading", name=f"Generation {last}", exact=True).wait_for()
    page.get_by_role("button", name="Back to this one").first.click()
    back = page.get_by_role("button", name=f"Back to generation {last - 1}")
    back.wait_for()
    edit({"demo": {"demo": {}, "third": {}}})
    page.get_by_role("heading", name=f"Generation {last + 1}", exact=True).wait_for()

    assert back.is_visible()

    page.get_by_role("button", name="Try an edit").click()

    assert page.get_by_label("models-config.json").input_value() == typed


def test_somebody_was_faster(edited: World, edit: Edit, visit: Visit) -> None:
    """If the file has changed since its edit was judged nothing is written, and both are shown."""
    page = visit(edited.url, "configuration/edit")
    page.sights.expected = ("409",)
    page.get_by_label("models-config.json").fill('{"demo": {"mine": {}}}')
    page.get_by_role("button", name="What would this do?").click()
    page.get_by_role("button", name="Write it").wait_for()
    theirs = '{"demo": {"theirs": {}}}'
    edited.edit(theirs)
    page.get_by_role("button", name="Write it").click()
    page.get_by_text("Somebody was faster").wait_for()

    assert edited.program.config_file.read_text() == theirs
    assert "theirs" in page.locator("main pre").last.inner_text()
    assert "mine" in page.get_by_label("models-config.json").input_value()


def test_drain(edited: World, edit: Edit, visit: Visit) -> None:
    """An upstream is drained from its row: the weight is the only thing that changes in the file; if somebody else has changed the file
    meanwhile nothing is written."""
    config = '{\n  "demo": {\n    "$comment": "kept",\n    "demo": {}\n  }\n}\n'
    edit(config)
    page = visit(edited.url, "models")
    page.sights.expected = ("409",)
    page.locator("button.open", has_text="demo").click()
    page.get_by_role("button", name="Drain: no new requests").click()
    page.get_by_role("button", name="Drain it").wait_for()
    theirs = config.replace("kept", "theirs")
    edited.edit(theirs)
    page.get_by_role("button", name="Drain it").click()
    page.get_by_text("Somebody was faster").wait_for()

    assert edited.program.config_file.read_text() == theirs

    page.get_by_role("button", name="Drain: no new requests").click()
    page.get_by_role("button", name="Drain it").click()
    page.get_by_text("Written.").wait_for()
    page.keyboard.press("Escape")
    page.locator(".dot", has_text="out of use").wait_for()

    written = edited.program.config_file.read_text()
    assert json.loads(written)["demo"]["demo"] == {"weight": 0}
    assert '"$comment": "theirs",\n' in written


def test_read_only_as_it_is_delivered(world: World, visit: Visit) -> None:
    """Without LLM_PROXY_API_CONSOLE_WRITE the page says what an edit would do, and how it could be written."""
    page = visit(world.url, "configuration/edit")
    page.get_by_label("models-config.json").fill('{"demo": {"other": {}}}')
    page.get_by_role("button", name="What would this do?").click()
    page.get_by_text("LLM_PROXY_API_CONSOLE_WRITE=1").wait_for()

    assert page.get_by_role("button", name="Write it").count() == 0


def test_a_lost_connection(tmp_path: Path, visit: Visit) -> None:
    """When the gateway is gone the page says so and goes on asking; when it is there again it says that too, and shows it."""
    with World(tmp_path, DEMO) as world:
        page = visit(world.url, "models")
        page.sights.expected = ("ERR_", "Failed to load")
        port = int(world.url.rsplit(":", 1)[1])
        world.program.signal(signal.SIGKILL)
        page.get_by_text("The connection is lost.").wait_for()
        world.program.process.wait()
        world.program.settings["port"] = port
        world.edit({"demo": {"demo": {}, "new": {}}})
        world.run(world.program.__aenter__())
        page.get_by_text("Connected again.").wait_for()
        page.locator("button.open", has_text="new").wait_for()
        page.locator("#banners .note").wait_for(state="detached")


def test_stop(world: World, visit: Visit) -> None:
    """The stop button ends a request: the upstream is let go, the page says after how many ms, the client is told."""
    page = visit(world.url)
    body = {"model": "slow", "stream": True, "messages": [{"role": "user", "content": "Hello!"}]}
    before = len(world.slow._closings())

    async def ask() -> tuple[Connection, asyncio.Task[bytes]]:
        connection = await Connection(world.url).__aenter__()
        await connection.send("POST", "/v1/chat/completions", body)
        return connection, asyncio.create_task(connection.reader.read())

    connection, rest = world.run(ask())
    page.locator(".rows .tr", has_text="slow").get_by_role("button", name="Stop").click()
    page.get_by_text("its upstream was released after").wait_for()
    world.run(world.slow.closed_by_client(before + 1))

    async def told() -> bytes:
        read = await asyncio.wait_for(rest, 20)
        await connection.close()
        return read

    assert b"stopped_by_operator" in world.run(told())

    page.get_by_text("Nothing runs at the moment").wait_for()
    open_page(page, "requests")
    page.locator(".rows .tr", has_text="slow").first.wait_for()


def test_versions_of_a_prompt(edited: World, visit: Visit) -> None:
    """A prompt's versions are compared line by line; with values it says what a model would be told."""
    file = edited.program.prompts_dir / "en" / "greeting.prompt"
    for text in ("Be kind to {{ name }}.\nAlways.\n", "Be kind to {{ name }}.\nNever rude.\n"):
        file.write_text(text)
        when(partial(_prompt_says, edited, text.splitlines()[1]))
    page = visit(edited.url, "prompts/greeting")
    page.get_by_label("Compared with").select_option(index=2)
    page.locator(".lines .minus", has_text="Always.").wait_for()
    page.locator(".lines .plus", has_text="Never rude.").wait_for()
    page.get_by_label("name", exact=True).fill("Ada")
    page.get_by_role("button", name="Render").click()
    page.locator("form pre", has_text="Be kind to Ada.").wait_for()


def _prompt_says(world: World, line: str) -> bool:
    rendered = world.ask("POST", "/api/prompts/greeting/render", {"prompt_vars": {"name": "Ada"}})
    return line in rendered.body.decode()


def test_without_a_model(edited: World, edit: Edit, visit: Visit) -> None:
    """Where nothing is configured each page says what to do next; the first model is there as soon as it is saved."""
    edit({"demo": {"defaults": {}}})
    page = visit(edited.url)
    page.get_by_text("No model yet").wait_for()
    for name in PAGES:
        open_page(page, name)
    open_page(page, "models")
    page.get_by_text("models-config.json").first.wait_for()
    edit(DEMO)
    page.locator(".rows button.open", has_text="demo").wait_for()
    open_page(page, "now")
    page.get_by_text("1 model is served").wait_for()
