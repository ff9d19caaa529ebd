"""What a command of ``llm-proxy`` is, and the screen that shows all of them. The table itself stands in ``llm_proxy.__main__``.

A command's module is imported when it is asked for: it has ``add_flags(parser)``, and the function that the row names, which
takes the flags that were given and returns the exit status.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

#: The line of a terminal that nobody has widened.
_WIDTH = 79


@dataclass(frozen=True, slots=True)
class Command:
    """One row of the table. ``help``: what it does, in some words. ``about``: the same in sentences, for its own help."""

    name: str
    module: str
    function: str
    group: str
    help: str
    about: str

    def add_flags(self, parser: argparse.ArgumentParser) -> None:
        """The flags behind its name."""
        import_module(self.module).add_flags(parser)

    def run(self, given: Mapping[str, Any]) -> int:
        """Do it; the exit status."""
        return cast("Callable[[Mapping[str, Any]], int]", getattr(import_module(self.module), self.function))(
            given
        )


def parser_of(
    commands: Iterable[Command], version: str, only: str | None = None
) -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """The parser of the command line, and those behind it by name. ``only``: the one command whose flags are wanted; None: all."""
    parser = argparse.ArgumentParser(
        prog="llm-proxy",
        description="The LLM gateway that never gets in the way.",
        epilog="llm-proxy COMMAND --help tells the flags of a command.",
    )
    parser.add_argument("--version", action="version", version=f"llm-proxy-api {version}")
    behind = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands")
    found = {}
    for command in commands:
        found[command.name] = behind.add_parser(command.name, help=command.help, description=command.about)
        if only in (None, command.name):
            command.add_flags(found[command.name])
    return parser, found


def screen(commands: Iterable[Command], version: str, examples: Mapping[str, str]) -> str:
    """What ``llm-proxy`` alone shows: the commands by their groups, and the usual first lines."""
    rows = tuple(commands)
    wide = max(len(row.name) for row in rows) + 2
    lines = [f"llm-proxy {version}: one streaming API in front of all your model servers", ""]
    for group in dict.fromkeys(row.group for row in rows):
        lines.append(f"{group}:")
        for row in rows:
            if row.group == group:
                lines += textwrap.wrap(
                    row.help,
                    _WIDTH,
                    initial_indent=f"  {row.name:{wide}}",
                    subsequent_indent=" " * (wide + 2),
                )
        lines.append("")
    lines.append("For example:")
    wide = max(map(len, examples)) + 3
    lines += [f"  {line:{wide}}{what}" for line, what in examples.items()]
    return "\n".join([*lines, "", "llm-proxy COMMAND --help tells the flags of a command."])
