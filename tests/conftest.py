"""What every test runs under: a clean environment, a loop of its own, and a log that must stay quiet and clean."""

from __future__ import annotations

import gc
import inspect
import os
import re
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from tornado.ioloop import IOLoop

from tests.support.logs import WATCH
from tests.support.loops import own_loop
from tests.support.thorough import EXAMPLES

# How long an example takes, and how fast examples are made, says something of the machine alone.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=EXAMPLES
)
settings.load_profile("any machine")

#: Settings, proxies and keys of the person who runs the tests must not decide what they prove.
_FOREIGN = re.compile(r"LLM_PROXY_API_.*|OTEL_.*|.*_PROXY|.*_API_KEY", re.IGNORECASE)


@pytest.fixture(autouse=True)
def patient_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """An edit of configuration and prompts together is one state on a busy machine too; one test says how long it waits."""
    monkeypatch.setattr("llm_proxy.live.watching.reload_steps._LEAST", 0.5)


def pytest_configure(config: pytest.Config) -> None:
    """Scrub the environment, and begin to record every log record."""
    for name in [name for name in os.environ if _FOREIGN.fullmatch(name)]:
        del os.environ[name]
    # Without compiled modules each process of the run, and each program that a test starts, would compile everything anew:
    # twice the time to collect the tests, and a second for each of some hundred programs.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    WATCH.install()


def pytest_unconfigure() -> None:
    """Give ``logging`` back."""
    WATCH.remove()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """One process more than there are cores: a third of the tests' time is waiting for clocks and processes."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores + 1


def pytest_itemcollected(item: pytest.Item) -> None:
    """Every coroutine test runs on ``io_loop``, whether it names the fixture or not; what is left out of the runs on other Pythons
    says why."""
    for mark in item.iter_markers("one_python"):
        assert [str(word) for word in mark.args if len(str(word).split()) > 3], (
            f"{item.nodeid}: why one_python?"
        )
    if not isinstance(item, pytest.Function) or "io_loop" in item.fixturenames:
        return
    if inspect.iscoroutinefunction(item.function):  # the plugin would use whatever loop is current
        item.fixturenames.append("io_loop")


def pytest_collection_finish() -> None:
    """Take what the imports made out of the collector's sight: it runs after every coroutine test."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """The log of the whole run, fixtures included, shows no planted secret."""
    if WATCH.leaked():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say so if it did."""
    for secret in WATCH.leaked():
        terminalreporter.write_line(f"FAILED: planted secret in the log of the run: {secret!r}", red=True)


@pytest.fixture(autouse=True)
def _watched_log() -> Iterator[None]:
    """No undeclared ERROR record, no planted secret in any record."""
    with WATCH.test():
        yield


@pytest.fixture
def io_loop(_watched_log: None) -> Iterator[IOLoop]:
    """The loop of one test; a task left running or an exception that nobody saw fails it."""
    with own_loop() as loop:
        yield loop
