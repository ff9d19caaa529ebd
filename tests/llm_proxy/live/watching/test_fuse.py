"""Configuration and prompts on a real FUSE file system, which tells inotify nothing of what happens behind it, and may hang."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.client import request
from tests.support.loops import wait_until
from tests.support.program import PATIENCE, Program

BINDFS = shutil.which("bindfs")
pytestmark = pytest.mark.skipif(
    BINDFS is None or not os.access("/dev/fuse", os.W_OK),
    reason="there is no FUSE on this machine (Debian: apt-get install bindfs)",
)


@asynccontextmanager
async def mounted(behind: Path, place: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """``behind`` at ``place``; the process that is the file system."""
    os.mkdir(place)
    process = await asyncio.create_subprocess_exec(str(BINDFS), "-f", str(behind), str(place))
    try:
        await wait_until(lambda: process.returncode is not None or os.path.ismount(place), PATIENCE)
        if process.returncode is not None:
            pytest.skip("FUSE cannot be used here")
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        await process.wait()


def models(*names: str) -> dict[str, Any]:
    return {"demo": {name: {} for name in names}}


async def test_a_file_system_that_tells_nothing_and_hangs(tmp_path: Path) -> None:
    """An edit behind the mount is found by the sweep, one through it at once; while the file system hangs everything is served, status
    says so, a stop is a stop, and nothing was lost."""
    behind = tmp_path / "behind"
    behind.mkdir()
    async with mounted(behind, tmp_path / "mount") as process:
        program = Program(tmp_path / "mount", models("demo"))
        program.stderr = tmp_path / "stderr"
        async with program:
            file = behind / "models-config.json"
            file.write_text(file.read_text().replace('"demo": {}', '"demo": {}, "b": {}'))
            await program.logged("configuration applied")
            program.write_config(models("demo", "b", "c"))
            await program.logged("configuration applied", 2)
            process.send_signal(signal.SIGSTOP)
            try:
                await program.logged("reading the files takes very long; the last good configuration goes on")
                ask = {"model": "c", "messages": [{"role": "user", "content": "hi"}], "stream": False}
                answer = await request(program.url, "POST", "/chat", ask)
                status = await program.status()
                program.signal(signal.SIGTERM)
                code = await program.ended()
            finally:
                process.send_signal(signal.SIGCONT)

    assert (answer.status, code) == (200, 0)
    assert status["problems"]
