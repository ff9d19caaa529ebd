"""``python -m llm_proxy.rest_api``: read the settings, judge the configuration, serve until told to stop.

Laws: the configuration is judged before the port is taken, and the port is taken before anything is forked, so that no
fault makes a half-started service visible. Exit status: 0 after a clean stop, 1 for a bad configuration or a busy
port, 2 for malformed settings.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

# What is imported stays: to look through it for garbage again and again takes a sixth of the start.
gc.disable()

# isort: split

from llm_proxy.cli.settings_flags import add_flags
from llm_proxy.clients.http_server import StartError, check_descriptors
from llm_proxy.console.sessions import Sessions
from llm_proxy.live.access.shared_counters import SharedCounters
from llm_proxy.live.config.loader import ConfigError
from llm_proxy.live.state.generations import Generations
from llm_proxy.live.state.initial_state import open_state
from llm_proxy.live.state.registry import problem_lines
from llm_proxy.routing.sharing import SharedStates
from llm_proxy.service import surroundings
from llm_proxy.service.certificate_watch import Certificate
from llm_proxy.service.configuration_sources import last_good_of, sources_of
from llm_proxy.service.core_files import no_core_files
from llm_proxy.service.listeners import Listeners
from llm_proxy.service.manager_reports import ParentReports
from llm_proxy.service.scoreboard import Scoreboard
from llm_proxy.service.server import Service, check_layout
from llm_proxy.service.shared_state import SharedState
from llm_proxy.service.signals import serve_alone, serve_as_worker
from llm_proxy.service.systemd import Manager
from llm_proxy.service.takeover import Predecessor
from llm_proxy.service.upgrade import Start, Upgrade
from llm_proxy.service.usage_books import memory_of_workers, prepare_state
from llm_proxy.service.worker_messages import Mailboxes
from llm_proxy.service.workers import Supervisor
from llm_proxy.settings import (
    PREFIX,
    Settings,
    SettingsError,
    environment,
    service_links,
    unknown_variables,
)
from llm_proxy.telemetry import log as logs
from llm_proxy.telemetry.metrics.shared_values import SharedValues

gc.freeze()  # nor is it looked through now
gc.enable()

log = logging.getLogger("llm_proxy.rest_api")  # not __main__, which it may be


def serve(flags: dict[str, str]) -> int:
    """``llm-proxy serve``: who types that means it, as who starts the script does; unless the environment says otherwise."""
    meant = {} if f"{PREFIX}MINIMUM" in os.environ else {"minimum": "1"}
    return run(meant | flags)


def run(flags: dict[str, str]) -> int:
    """Serve; returns the exit status."""
    _have_standard_streams()
    before = None
    try:
        start = Start.of_this()
        before = Predecessor.of(os.environ)
        status = _run_service(flags, start, before)
    except StartError as error:
        status = _die(str(error), 1)
    except Exception as error:  # noqa: BLE001 (nobody is helped by a traceback; where it was stands in the line)
        status = _die(_in_a_line(error), 1)
    if before is not None and status:
        before.failed("; ".join(_told))
    if not logs.stop():
        os._exit(status)  # nobody reads our log, and must not keep us from ending
    return status


def _run_service(flags: dict[str, str], start: Start, before: Predecessor | None) -> int:
    """``start``: how this process was started; ``before``: the program in whose place it comes."""
    no_core_files()
    env = dict(environment())
    try:
        settings = Settings.read(env, flags)
    except SettingsError as error:
        return _die(str(error), 2)
    if not settings.minimum:
        return _die(
            f"set {PREFIX}MINIMUM=1 to acknowledge that this service runs as a proxy only",
            2,
        )
    try:
        about_env = list(surroundings.warnings(env))
    except SettingsError as error:
        return _die(str(error), 2)
    count = settings.workers or _cores()
    try:
        check_descriptors()
        manager = before.manager if before else Manager.of(os.environ)
    except StartError as error:
        return _die(str(error), 1)
    try:
        setup = logs.setup if count == 1 else logs.setup_direct
        setup(settings.log_level, str(settings.log_format), settings.log_filename)
    except OSError as error:
        return _die(f"{PREFIX}LOG_FILENAME: {error.strerror}", 2)
    _warn(env, about_env)
    try:
        check_layout()
        if settings.local:
            _fetch_local_model(settings, env)
        if count > 1:
            return _serve_with_workers(settings, env, count, manager, start, before)
        _run(_serve(settings, env, manager, start, before))
    except (ConfigError, OSError) as error:
        for line in problem_lines(error):
            _die(line, 1)
        return 1
    except StartError as error:
        return _die(str(error), 1)
    except KeyboardInterrupt:  # before anybody handled the signal, so before anybody was served
        return _die("interrupted", 130)
    return 0


def _fetch_local_model(settings: Settings, env: Mapping[str, str]) -> None:
    """If it is not here yet. What makes the start fail is told before, and not after a hundred megabytes have come. Raises
    what ``open_state`` raises."""
    from llm_proxy.service.local_model.install import fetch_missing  # few starts need it

    fetch_missing(_show, judge=lambda: open_state(sources_of(settings, env), last_good_of(settings)))


def _warn(env: Mapping[str, str], about_env: Sequence[str]) -> None:
    """Log what is odd about the environment."""
    for warning in unknown_variables(env):
        log.warning("unknown setting", extra={"problem": warning})
    for warning in about_env:
        log.warning("the environment", extra={"problem": warning})
    if links := service_links(env):
        log.info(
            "service links of Kubernetes are ignored; enableServiceLinks: false ends them",
            extra={"variables": links},
        )


async def _serve(
    settings: Settings,
    env: Mapping[str, str],
    manager: Manager,
    start: Start,
    before: Predecessor | None,
) -> None:
    service = Service(settings, env, generations=before.generations() if before else None)
    prepare_state(settings, service.registry.current, service.cells)
    listeners = Listeners.open(settings, manager.passed, before.files if before else ())
    try:
        await serve_alone(service, listeners, manager, start, before)
    finally:
        listeners.remove_files()


def _serve_with_workers(
    settings: Settings,
    env: Mapping[str, str],
    count: int,
    manager: Manager,
    start: Start,
    before: Predecessor | None,
) -> int:
    """Be the parent of ``count`` workers until told to stop."""
    if not (hasattr(os, "memfd_create") and hasattr(signal, "sigtimedwait")):
        raise StartError(f"{PREFIX}WORKERS: more than one process needs Linux")
    generations = before.generations() if before else Generations()
    opened = open_state(sources_of(settings, env), last_good_of(settings), generations)
    shared = SharedState(
        Scoreboard(count),
        generations,
        opened,
        SharedStates(count),
        SharedValues(count, settings.metrics_max_series),
        cells=SharedCounters(count),
        memory=memory_of_workers(settings),
        sessions=Sessions() if settings.console else None,
        mailboxes=Mailboxes(count) if settings.console else None,
    )
    prepare_state(settings, opened.snapshot, shared.cells)
    certificate = Certificate.of(settings)
    listeners = Listeners.open(settings, manager.passed, before.files if before else ())
    # Each worker holds the reading end. Nobody but the parent holds the other: it closes when the parent is gone.
    alive, end = os.pipe()
    turn = os.memfd_create("llm-proxy-log")

    def work(row: int) -> int:
        os.close(end)
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            logs.setup(settings.log_level, str(settings.log_format), settings.log_filename, turn=turn)
            _run(
                _work(settings, env, shared, row, listeners, alive, certificate, replaces=before is not None)
            )
        except Exception:  # the parent sees the exit status; why stands in the log
            log.exception("the worker failed")
            return 1
        finally:
            logs.stop()
        return 0

    def on_up() -> None:
        facts = {
            "workers": count,
            "generation": opened.snapshot.version,
            "models": len(opened.snapshot.models),
        }
        log.info("listening", extra={**listeners.urls(settings.ep_prefix), **facts})
        if before is not None:
            before.ready()

    gc.collect()
    gc.freeze()  # a collection in a worker would touch, and so copy, every page that is shared with the parent
    reports = ParentReports(manager, shared.board)
    duck = settings.lame_duck_seconds
    # While workers go on as lame ducks, clients still find them by the files.
    stop = listeners.close_sockets if duck else listeners.close
    try:
        upgrade = Upgrade(listeners, manager, start)
        supervisor = Supervisor(
            shared.board, work, settings.drain_seconds, on_up, stop, duck, reports, upgrade
        )
        supervisor.on_end = shared.upstreams.clear
        return supervisor.run()
    finally:
        listeners.remove_files()
        if shared.memory is not None:
            shutil.rmtree(shared.memory, ignore_errors=True)


async def _work(
    settings: Settings,
    env: Mapping[str, str],
    shared: SharedState,
    row: int,
    listeners: Listeners,
    parent: int,
    certificate: Certificate | None,
    *,
    replaces: bool,
) -> None:
    service = Service(settings, env, shared, row, certificate)
    board = shared.board
    await serve_as_worker(
        *(service, listeners, parent, lambda: board.stopping, lambda: board.replaced), replaces=replaces
    )


def _runner() -> Callable[[Coroutine[Any, Any, None]], None]:
    """asyncio.run on uvloop where it exists (it has no Windows build)."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    return uvloop.run


_run = _runner()


def _cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _have_standard_streams() -> None:
    """Who starts us may have closed some of the first three descriptors; the next files would get their numbers, and
    what is printed would land in one of them."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115 (for the life of the process)
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115


def _in_a_line(error: Exception) -> str:
    """An error that nobody foresaw, and where it was raised."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    text = str(error).partition("\n")[0][:300]
    return f"an unforeseen error: {type(error).__name__}: {text} ({Path(place.filename).name}:{place.lineno})"


def _show(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


#: What was said about a start that has failed.
_told: list[str] = []


def _die(message: str, status: int) -> int:
    _told.append(message)
    print(f"llm-proxy: {message}", file=sys.stderr)
    return status


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of ``python -m llm_proxy.rest_api``; the flags are those of ``llm-proxy serve``."""
    parser = argparse.ArgumentParser(prog="llm-proxy serve", description="Serve the LLM gateway.")
    add_flags(parser)
    given = vars(parser.parse_args(arguments))
    return run({name: value for name, value in given.items() if value is not None})


if __name__ == "__main__":
    sys.exit(main())
