"""Every command of the README is executed, and every payload that it and the pages below it show. (test_pages.py has the rest.)"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.one_python("pages and their samples are the same for every Python")

ROOT = Path(__file__).resolve().parent.parent
PAGES = (
    "README.md",
    "docs/endpoints.md",
    "docs/faces.md",
    "docs/configuration.md",
    "docs/settings.md",
    "docs/vendors.md",
)
BLOCKS = [
    (page, *block)
    for page in PAGES
    for block in re.findall(r"```(\w+)([^\n]*)\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
]
#: Those of the pages are run by test_pages.py.
BASH = [
    body.strip()
    for page, language, words, body in BLOCKS
    if page == "README.md" and language == "bash" and not words
]
JSON = [(info.split(), body) for _, language, info, body in BLOCKS if language == "json"]
STARTED_ELSEWHERE = ("./run-rest-api.sh --local", "./run-tests.sh")


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    """The product, started by the README's first command on a free port, without the model that it fetches."""
    env = {
        **os.environ,
        "LLM_PROXY_API_PORT": "0",
        "LLM_PROXY_API_LOG_FORMAT": "json",
        "LLM_PROXY_API_DISCOVER": "0",
    }
    process = subprocess.Popen(["./run-rest-api.sh"], cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if line.startswith("{") and json.loads(line)["message"] == "listening":
                yield json.loads(line)["url"].removesuffix("/api")
                break
        else:
            pytest.fail("the server ended before it listened")
        # A full pipe would only cost log lines (the queue drops them), but an unread one must not stay open.
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
        assert process.wait(20) == 0
        assert not [line for line in rest.splitlines() if '"level":"ERROR"' in line]
    finally:
        process.kill()
        process.stderr.close()
        process.wait()


def post(url: str, body: str) -> tuple[int, bytes]:
    call = urllib.request.Request(url, body.encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(call, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_the_two_commands_come_first() -> None:
    """One command runs it and one tests it; both files are there and may be executed."""
    assert BASH[0] == STARTED_ELSEWHERE[0]
    assert set(STARTED_ELSEWHERE) <= set(BASH)
    for script in STARTED_ELSEWHERE:
        assert os.access(ROOT / script.partition(" ")[0], os.X_OK)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed on this machine")
@pytest.mark.parametrize("command", [block for block in BASH if block not in STARTED_ELSEWHERE])
def test_command(command: str, origin: str) -> None:
    """Each other command succeeds against the product as shipped."""
    here = command.replace("http://127.0.0.1:8080", origin).replace("./.venv/bin/python", sys.executable)
    script = here.replace("curl ", "curl -sS --fail-with-body ")
    done = subprocess.run(["bash", "-ec", script], cwd=ROOT, capture_output=True, text=True, timeout=300)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout


def test_first_curl_streams_an_answer(origin: str) -> None:
    """The newcomer's first request is answered by the demo model, word by word."""
    status, body = post(
        f"{origin}/api/chat", '{"model": "demo", "messages": [{"role": "user", "content": "Hello!"}]}'
    )

    assert status == 200
    assert body.count(b"data: {") > 5
    assert body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("path", "body"), [(info[1], body) for info, body in JSON if info[:1] == ["payload"]]
)
def test_payload_sample(path: str, body: str, origin: str) -> None:
    """Each payload of the README is answered with 200."""
    status, answer = post(f"{origin}/api{path}", body)

    assert status == 200, answer


def test_error_sample(origin: str) -> None:
    """The error of the README is what the product says, but for the request id."""
    (sample,) = [json.loads(body) for info, body in JSON if info == ["output"]]
    status, answer = post(f"{origin}/api/chat", '{"model": "demo"}')
    real: dict[str, Any] = json.loads(answer)["error"]

    assert status == 400
    assert {key: real[key] for key in sample["error"]} | {"request_id": ""} == sample["error"] | {
        "request_id": ""
    }
