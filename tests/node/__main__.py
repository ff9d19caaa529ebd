"""``make test-node``: the official JavaScript clients and the JavaScript examples against the running program.

Installs what package-lock.json pins (where it did not yet), starts the program in front of a strict double of each dialect
and of the real llama.cpp server where that can run, and runs ``node --test``. Without Node, or where the registry of npm cannot be reached, it says so and is no failure.
``--install`` runs nothing.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from tests.support import llamacpp
from tests.support.anthropic_double import AnthropicDouble
from tests.support.gemini_double import GeminiDouble
from tests.support.ollama_double import OllamaDouble
from tests.support.openai_double import OpenAIDouble
from tests.support.program import Program
from tests.support.tiny_model import write_model

HERE = Path(__file__).resolve().parent
OLDEST = 20
#: What npm says when it is not to blame.
_UNREACHABLE = re.compile(r"\b(ENOTFOUND|EAI_AGAIN|ECONN\w+|\w*TIMED?OUT|ENETUNREACH|E403|E407|E5\d\d)\b")
MODELS = {
    "openai": "gpt-double",
    "ollama": "qwen3:8b",
    "anthropic": "claude-double-4-5",
    "gemini": "gemini-3-double",
}


def main() -> int:
    """Exit status."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return skipped("node and npm are not on this machine")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST:
        return skipped(f"node is {version}, and {OLDEST} or newer is needed")
    if not installed():
        done = subprocess.run([npm, "ci"], cwd=HERE, capture_output=True, text=True, check=False)
        if done.returncode and _UNREACHABLE.search(done.stderr):
            return skipped("npm cannot reach its registry")
        if done.returncode:
            print(done.stdout, done.stderr, file=sys.stderr)
            return done.returncode
    return 0 if "--install" in sys.argv else asyncio.run(run(node))


def skipped(why: str) -> int:
    """Say so; no failure."""
    print(f"test-node: skipped: {why}")
    return 0


def installed() -> bool:
    """Whether node_modules holds what the lock file pins: npm keeps a copy of it there, and its time."""
    copy = HERE / "node_modules" / ".package-lock.json"
    return copy.exists() and copy.stat().st_mtime >= (HERE / "package-lock.json").stat().st_mtime


async def run(node: str) -> int:
    """Start the program in front of the doubles, and let node test it."""
    doubles: dict[str, Any] = {
        "openai": OpenAIDouble(),
        "ollama": OllamaDouble(),
        "anthropic": AnthropicDouble(),
        "gemini": GeminiDouble(),
    }
    async with AsyncExitStack() as stack:
        rows: dict[str, Any] = {"demo": {"demo": {}}}
        for kind, double in doubles.items():
            await stack.enter_async_context(double)
            host = double.base if kind == "openai" else double.url
            rows[f"double-{kind}"] = {
                "defaults": {"api_type": kind, "api_host": host},
                kind: {"model": MODELS[kind]},
            }
        # The names that the examples use.
        rows["double-ollama"] |= {"llama3.2": {}, "nomic-embed-text": {}}
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environment = dict(os.environ)
        try:
            write_model(folder / "tiny.gguf")
            running = stack.enter_context(llamacpp.server(folder / "tiny.gguf", context=8192))
        except llamacpp.CannotRun as reason:
            if os.environ.get(llamacpp.REQUIRED) == "1":
                raise
            print(f"test-node: without llama.cpp: {reason}")
        else:
            here = {"api_type": "openai", "api_host": running.base}
            rows["llamacpp"] = {"defaults": here, "llamacpp": {"model": "tiny"}}
            environment["LLAMACPP"] = "1"
        program = await stack.enter_async_context(Program(folder, rows))
        process = await asyncio.create_subprocess_exec(
            node,
            "--test",
            "--test-reporter=spec",
            *sorted(str(path) for path in HERE.glob("*.test.mjs")),
            cwd=HERE,
            env=environment | {"GATEWAY": program.url.removesuffix("/api")},
        )
        status = await process.wait()
        for line in program.lines():
            if line["level"] == "ERROR":
                print(line)
                status = status or 1
        return status


if __name__ == "__main__":
    sys.exit(main())
