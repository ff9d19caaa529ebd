"""``llm-proxy serve | check | key | usage | top``, the same as ``python -m llm_proxy`` with any of these."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from llm_proxy import __version__
from llm_proxy.cli.check import check
from llm_proxy.cli.key import add_commands, key
from llm_proxy.cli.top import top
from llm_proxy.cli.usage import add_flags as add_usage_flags
from llm_proxy.cli.usage import usage
from llm_proxy.rest_api import add_flags, run
from llm_proxy.settings import environment


def _interval(text: str) -> float:
    value = float(text)
    if not 0.1 <= value <= 3600:
        raise argparse.ArgumentTypeError("must be from 0.1 to 3600 seconds")
    return value


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the console script; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="llm-proxy", description="The LLM gateway that never gets in the way."
    )
    parser.add_argument("--version", action="version", version=f"llm-proxy-api {__version__}")
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="serve | check | key | usage | top"
    )
    serving = commands.add_parser("serve", help="run the gateway", description="Run the gateway.")
    add_flags(serving)
    checking = commands.add_parser(
        "check",
        help="judge a configuration",
        description="Run the loader that the server runs, and say what it finds.",
    )
    checking.add_argument("--models-config", metavar="FILE", help="the model configuration to judge")
    checking.add_argument("--prompts-dir", metavar="DIR", help="the prompt directory to judge")
    checking.add_argument(
        "--against",
        metavar="URL",
        help="a running gateway: show what the edit would change there",
    )
    checking.add_argument("--access", metavar="FILE", help="the file of the keys to judge")
    keys = commands.add_parser("key", help="make and list keys", description="The keys of access.json.")
    add_commands(keys)
    watching = commands.add_parser(
        "top",
        help="what a running gateway does",
        description="A live table of requests, models and latencies.",
    )
    watching.add_argument(
        "--url",
        metavar="URL",
        default="http://127.0.0.1:8080",
        help="the gateway, or its port of the metrics",
    )
    watching.add_argument(
        "--interval", metavar="SECONDS", type=_interval, default=2.0, help="between two looks (2)"
    )
    watching.add_argument("--once", action="store_true", default=None, help="one table, then end")
    using = commands.add_parser("usage", help="what was used", description="What was used, by key and model.")
    add_usage_flags(using)
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    command = given.pop("command")
    if command == "top":
        return top(given["url"], given["interval"], "once" in given, environment())
    if command == "usage":
        return usage(given)
    if command == "serve":
        return run(given)
    return key(given) if command == "key" else check(given)


if __name__ == "__main__":
    sys.exit(main())
