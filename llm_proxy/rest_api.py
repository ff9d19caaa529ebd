"""``python -m llm_proxy.rest_api``: read the settings, build everything, serve until told to stop.

Exit status: 0 after a clean stop, 1 for a bad configuration or a busy port, 2 for malformed settings.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from llm_proxy import log as logs
from llm_proxy.config import ConfigError
from llm_proxy.prompts import PromptDirMissing
from llm_proxy.registry import problem_lines
from llm_proxy.server import Service, StartError, check_layout, listen, serve
from llm_proxy.settings import (
    PREFIX,
    Settings,
    SettingsError,
    environment,
    unknown_variables,
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """One flag for each setting; flags win over the environment."""
    for name, field in Settings.model_fields.items():
        if name != "minimum":  # an acknowledgement is given in the environment
            flag = "--" + name.replace("_", "-")
            parser.add_argument(
                flag,
                dest=name,
                metavar="VALUE",
                help=(field.description or "").replace("%", "%%"),
            )


def run(flags: dict[str, str]) -> int:
    """Serve; returns the exit status."""
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
    if settings.workers != 1:
        return _die(f"{PREFIX}WORKERS: only 1 is supported so far (allowed: 1)", 2)
    try:
        logs.setup(settings.log_level, str(settings.log_format), settings.log_filename)
    except OSError as error:
        return _die(f"{PREFIX}LOG_FILENAME: {error.strerror}", 2)
    for warning in unknown_variables(env):
        logging.getLogger(__name__).warning("unknown setting", extra={"problem": warning})
    try:
        check_layout()
        _runner()(_main(settings, env))
    except (ConfigError, PromptDirMissing, OSError) as error:
        for line in problem_lines(error):
            print(f"llm-proxy: {line}", file=sys.stderr)
        return 1
    except StartError as error:
        return _die(str(error), 1)
    return 0


async def _main(settings: Settings, env: dict[str, str]) -> None:
    # The configuration is judged before the port is taken: a bad file must not make a half-started service visible.
    service = Service(settings, env)
    await serve(service, listen(settings))


def _runner() -> Callable[[Coroutine[Any, Any, None]], None]:
    """asyncio.run on uvloop where it exists (it has no Windows build)."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    return uvloop.run


def _die(message: str, status: int) -> int:
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
