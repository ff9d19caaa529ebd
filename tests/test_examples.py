"""Every Python and shell example is run against the real service, as it stands but for the port."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.gateway import PROMPTS, RunningGateway
from tests.support.ollama_double import OllamaDouble
from tests.support.ollama_words import WORDS

pytestmark = pytest.mark.one_python(
    "an example is a client, and clients are judged beside any Python of the gateway's"
)

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
ADDRESS = "http://127.0.0.1:8080"
#: What the program prints: the demo model's echo, and words of a model that calls tools.
ECHO, WORDS_SAID = "[demo model: no language model is behind this answer]", "".join(WORDS)
EXPECTED = {
    "anthropic_python.py": [ECHO, WORDS_SAID],
    "curl.sh": [
        ECHO,
        "data: [DONE]",
        '"done":true',
        '"object":"response"',
        '"type":"message"',
        '"finishReason":',
        '"models":',
    ],
    "google_python.py": [ECHO, WORDS_SAID],
    "langchain_ollama_chat.py": [ECHO, "get_weather", "answer=42"],
    "langchain_openai_chat.py": [ECHO, "get_weather", "answer=42"],
    "ollama_python.py": [ECHO, WORDS_SAID, '{"answer": 42}', "[[0.6, 0.8], [0.6, 0.8]]"],
    "openai_async.py": ["You said: Hello!", "You said: And goodbye!"],
    "openai_python.py": [ECHO, "answer=42"],
    "openai_responses.py": [ECHO, "You said: And another one."],
    "openai_tools.py": ["called get_weather", WORDS_SAID],
    "pydantic_ai_agent.py": [WORDS_SAID, "answer=42"],
}
TRANSLATION = {"en/translation.prompt": "Translate into {{ target_language }}."}


def test_every_example_is_known() -> None:
    """Each is run here, or by ``make test-node``, and stands in the index; none hides a package of its own name."""
    files = {path.name for path in EXAMPLES.iterdir() if path.is_file()} - {"README.md"}
    index = (EXAMPLES / "README.md").read_text("utf-8")

    assert {name for name in files if not name.endswith(".mjs")} == set(EXPECTED)
    assert all(f"({name})" in index for name in files)
    assert not [name for name in files if importlib.util.find_spec(name.partition(".")[0])]


def test_node_packages_are_pinned() -> None:
    """Each by its hash, and from whichever registry the machine uses."""
    folder = EXAMPLES.parent / "tests" / "node"
    locked = json.loads((folder / "package-lock.json").read_text("utf-8"))["packages"]
    asked = json.loads((folder / "package.json").read_text("utf-8"))["devDependencies"]

    assert all("integrity" in package for path, package in locked.items() if path)
    assert not any("resolved" in package for package in locked.values())
    assert {name: locked[f"node_modules/{name}"]["version"] for name in asked} == asked


@pytest.mark.timeout(
    seconds=120
)  # the largest libraries take twenty seconds to be imported on a busy machine
@pytest.mark.parametrize("name", EXPECTED)
async def test_example(name: str, tmp_path: Path) -> None:
    """It ends well, and prints the answers."""
    interpreter = {".sh": shutil.which("bash"), ".py": sys.executable}[Path(name).suffix]
    if name == "curl.sh" and shutil.which("curl") is None:
        pytest.skip("curl is not installed on this machine")
    assert interpreter is not None
    text = (EXAMPLES / name).read_text("utf-8")
    assert ADDRESS in text
    async with OllamaDouble() as double:
        rows = {
            "demo": {"demo": {}},
            "ollama": {"defaults": {"api_host": double.url}, "llama3.2": {}, "nomic-embed-text": {}},
        }
        async with RunningGateway(tmp_path, rows, prompts=PROMPTS | TRANSLATION) as proxy:
            copy = tmp_path / name
            copy.write_text(text.replace(ADDRESS, proxy.origin), "utf-8")
            process = await asyncio.create_subprocess_exec(
                interpreter,
                str(copy),
                env=os.environ | {"LANGSMITH_TRACING": "false"},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            printed = (await process.communicate())[0].decode()

    assert process.returncode == 0, printed
    assert [said for said in EXPECTED[name] if said not in printed] == [], printed
