"""The tests' own safety net: each kind of noise, planted on purpose, fails a run."""

from __future__ import annotations

import asyncio
import base64
import logging
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from tests.support import secrets
from tests.support.logs import WATCH, expect_log
from tests.support.loops import wait_until

ROOT = Path(__file__).resolve().parent.parent
LOG = logging.getLogger("tests.foundation")

NOISE = '''
import asyncio, logging, os, socket, warnings
import pytest
from tests.support.secrets import CLIENT_KEY, PROMPT

async def test_leaked_task():
    asyncio.get_running_loop().create_task(asyncio.Event().wait())

async def test_background_exception():
    async def fail():
        raise RuntimeError("nobody looks")
    asyncio.get_running_loop().create_task(fail())
    await asyncio.sleep(0)

async def test_unclosed_socket():
    socket.socket()

def test_error_log():
    logging.getLogger("x").error("undeclared")

def test_secret_in_a_field():
    logging.getLogger("x").debug("request", extra={"headers": {"authorization": CLIENT_KEY}})

def test_secret_in_a_traceback():
    try:
        raise ValueError(PROMPT)
    except ValueError:
        logging.getLogger("x").info("failed", exc_info=True)

def test_warning():
    warnings.warn("old")

def test_environment():
    assert "LLM_PROXY_API_PORT" in os.environ

@pytest.fixture(scope="module")
def leaky():
    yield
    logging.getLogger("x").info("between tests: %s", CLIENT_KEY)

def test_quiet_one(leaky):
    """Passes; the secret that its fixture logs afterwards fails the run."""
'''


def test_noise_fails(tmp_path: Path) -> None:
    """A leaked task, a lost exception or socket, an undeclared error, a secret in the log and a warning each fail."""
    (tmp_path / "test_noise.py").write_text(NOISE, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.conftest"]
    config = ["-c", str(ROOT / "pyproject.toml"), f"--rootdir={tmp_path}", str(tmp_path / "test_noise.py")]
    env = {"PYTHONPATH": str(ROOT), "LLM_PROXY_API_PORT": "1", "LANG": "C.UTF-8"}
    done = subprocess.run(command + config, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)

    assert done.returncode == 1, done.stdout + done.stderr
    summary = done.stdout[done.stdout.index("short test summary") :]
    for test in [
        line.split("(")[0].removeprefix("async ").removeprefix("def ") for line in NOISE.splitlines()
    ]:
        if test.startswith("test_"):
            assert (f"::{test}" in summary) is (test != "test_quiet_one"), done.stdout
    assert "planted secret in the log of the run" in done.stdout


async def test_expect_log_declares_an_error() -> None:
    """A declared error does not fail its test, and the block gets the record."""
    with expect_log("tests", "boom [0-9]") as records:
        LOG.error("boom %d", 7)

    assert [record.args for record in records] == [(7,)]


def test_expect_log_wants_its_record() -> None:
    """A declaration that nothing fulfils fails."""
    with pytest.raises(AssertionError, match="nothing was logged"), expect_log("tests.foundation", "boom"):
        LOG.info("something else")


async def test_wait_until() -> None:
    """It returns the value that became true, and names the condition that did not."""
    values: list[int] = []
    asyncio.get_running_loop().call_later(0.01, values.append, 3)

    assert await wait_until(lambda: values) == [3]
    with pytest.raises(AssertionError, match=r"not true within 0.01 s: .*test_foundation.py"):
        await wait_until(lambda: len(values) > 1, deadline=0.01)


@pytest.mark.parametrize("secret", secrets.PLANTED)
@pytest.mark.parametrize("around", ["", "a", "ab", "abc"])
def test_secrets_are_found_in_disguise(secret: str, around: str) -> None:
    """Plain, URL-encoded and base64 at any alignment: each is found, and innocent text is not."""
    wrapped = around + secret + around
    for shape in (wrapped, quote(wrapped), quote_plus(wrapped), base64.b64encode(wrapped.encode()).decode()):
        assert secret in secrets.found_in(f'{{"x": "{shape}"}}')
        with pytest.raises(AssertionError, match="planted secret"):
            secrets.assert_no_secret(shape.encode())
    assert secrets.found_in("an ordinary line of log, sk-live and all") == []


def test_the_whole_run_is_recorded() -> None:
    """What is logged at DEBUG anywhere lands in the record that the last check searches."""
    LOG.debug("a needle: 4b1d")

    WATCH.file.flush()
    WATCH.file.seek(0)
    assert "DEBUG tests.foundation: a needle: 4b1d" in WATCH.file.read()
