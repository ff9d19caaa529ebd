"""Let one program do its job over one kind of upstream, and say how it ended.

``ok``: the file is there with its content and the model's last words were shown (an asker: the words). Anything else
``fails``, with the first reason that somebody gave: an upstream that refused, else the program's own last words.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from tests.apps.lanes import Lane, give, name_of, said
from tests.apps.places import App, Place, prepare
from tests.apps.scripted.mind import done

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b\][^\x07]*\x07|\r")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: ``reason`` is empty when it is ok; ``output`` is for a person who looks."""

    ok: bool
    reason: str
    seconds: float
    output: str


async def run(
    app: App, kind: str, lane: Lane, *, pictures: bool = False, keep: Path | None = None
) -> Outcome:
    """One cell of the table; ``pictures`` is the job with the MCP server."""
    lane.forget()
    folder = lane.folder / f"{re.sub(r'[^a-z0-9]+', '-', app.id.lower())}-{kind}{'-mcp' if pictures else ''}"
    shutil.rmtree(folder, ignore_errors=True)
    mark = "word" + secrets.token_hex(4)
    work = folder / "work"
    tasks = {
        "file": f"Create the file {work}/hello.txt with the content {mark} and nothing else.",
        "word": f"Say the word {mark} and nothing else.",
        "picture": f"Look at the picture of the tool draw_picture and say {mark}.",
    }
    task = tasks["picture" if pictures else app.job]
    model = app.fixed or name_of(kind, app.model)
    if app.fixed:
        await give(lane, app.fixed, kind)
    place = Place(folder / "home", work, lane.url, lane.ollama, model, task, pictures)
    begun = time.monotonic()
    status, output = await _execute(app, place)
    seconds = time.monotonic() - begun
    reason = _judge(app, place, lane, status, output, mark, pictures)
    text = f"{output}\n--- asked\n{said(lane)}\n--- refused\n" + "\n".join(_refusals(lane))
    if keep is not None:
        (keep / f"{folder.name}.txt").write_text(text)
    return Outcome(not reason, reason, seconds, text)


async def _execute(app: App, place: Place) -> tuple[int | None, str]:
    """Exit status (None: it did not end in time) and all that it printed."""
    start = app.start(place)
    env = prepare(place, start)
    process = await asyncio.create_subprocess_exec(
        *start.command,
        cwd=place.work,
        env=env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    printed = bytearray()

    async def read() -> None:
        assert process.stdout is not None
        while piece := await process.stdout.read(65536):
            printed.extend(piece)

    status: int | None = None
    reading = asyncio.ensure_future(read())
    try:
        async with asyncio.timeout(app.limit):
            status = await process.wait()
    except TimeoutError:
        pass
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)  # what it left running, or itself
        except ProcessLookupError:
            pass
        await process.wait()
        await asyncio.wait([reading], timeout=5)
        reading.cancel()
    return status, _ESCAPES.sub("", printed.decode(errors="replace"))


def _judge(
    app: App, place: Place, lane: Lane, status: int | None, output: str, mark: str, pictures: bool
) -> str:
    """Why it failed; nothing, if it did its job."""
    made = place.work / "hello.txt"
    missing = ""
    if pictures:
        wanted = "with a picture" if app.mcp == "picture" else "with the words alone"
        missing = "" if f"{done(mark)} {wanted}" in output else "the tool's picture did not arrive"
    elif app.job == "file" and not (made.exists() and made.read_text().strip() == mark):
        missing = "no file was written"
    if (
        not missing and app.pin != "aider" and done(mark) not in output
    ):  # aider shows a file and not the words around it
        missing = "the model's last words were not shown"
    refusals = _refusals(lane)
    if not missing:
        return ""
    if refusals:
        return f"{missing}; the upstream refused {refusals[0]}"
    if status is None:
        return f"{missing}; it did not end within {app.limit:.0f} s"
    return f"{missing}; it said: {_last_words(output)}"


def _refusals(lane: Lane) -> list[str]:
    return [one for model in lane.models.values() for one in model.refusals]


def _last_words(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    told = [line for line in lines if re.search(r"error|fail|[45]\d\d", line, re.IGNORECASE)]
    return (told or lines or ["nothing"])[-1][:300]
