"""``docs/commands.md``: every command of ``llm-proxy`` with its flags, from the table of commands and their parsers."""

from __future__ import annotations

import argparse

from llm_proxy.__main__ import COMMANDS
from llm_proxy.cli.command import parser_of
from llm_proxy.faces.programs.table import PROGRAMS

#: Their flags are the settings.
_SETTINGS = ("serve", "doctor")
_HEAD = """# The commands

`llm-proxy` alone shows what there is, `llm-proxy COMMAND --help` the flags of a command; `python -m llm_proxy COMMAND` is the same. This page is made of the program (`make reference`).

| command | |
|---|---|
{rows}

| exit status | means |
|---|---|
| 0 | it is done; nothing is broken |
| 1 | `check`: a problem in the files; `doctor`: something is broken; `import`, `init`, `client --write`: a file that exists, or cannot be read, edited or made; `serve`: it cannot start |
| 2 | a malformed setting or flag, or a gateway that does not answer |
| 3 | `check --against` several gateways: one lags behind the others |

A gateway that runs is asked with the key in `LLM_PROXY_API_KEY`, where it wants one. No command prints a key but `key new` and `key rotate`, which make one.
"""
_NOTES = {
    "serve": "Its flags are the settings, which the environment may say as well: [settings](reference/settings.md).",
    "doctor": "Its flags are those of `serve`, and it reads the same environment. It looks at the settings, the configuration, ports (one that a gateway of ours has is fine), the certificate, "
    "descriptors, inotify limits, the clock, proxy variables, and at each upstream: name, connection, TLS, key, and whether it lists the models of the "
    "configuration. Upstreams are asked for their lists only, which costs nothing. Each finding has its remedy.",
    "check": "`--against` compares with a gateway that runs, and may be given again for each of several: see [configuration](configuration.md#before-an-edit-check---against).",
    "import": "From which sources, with examples: [migrate](migrate.md).",
    "key": "See [keys, limits, budgets](access.md).",
    "usage": "See [keys, limits, budgets](access.md#the-ledger).",
    "completion": "Now: `source <(llm-proxy completion bash)`. Always: `llm-proxy completion bash > ~/.local/share/bash-completion/completions/llm-proxy`, or `~/.config/fish/completions/llm-proxy.fish`, or a folder of zsh's `$fpath`, as `_llm-proxy`.",
}


def page() -> str:
    """The whole text."""
    _, parsers = parser_of(COMMANDS, "")
    rows = "\n".join(f"| [`{command.name}`](#{command.name}) | {command.help} |" for command in COMMANDS)
    parts = [_HEAD.format(rows=rows).strip()]
    for command in COMMANDS:
        parts.append(f"## {command.name}\n\n{command.about}")
        if command.name in _NOTES:
            parts.append(_NOTES[command.name])
        if command.name == "client":
            parts.append(_programs())
        if command.name not in _SETTINGS:
            parts += _flags(parsers[command.name], f"llm-proxy {command.name}")
    return "\n\n".join(parts) + "\n"


def _programs() -> str:
    rows = "\n".join(
        f"| `{program.id}` | [{program.name}]({program.url}) | {program.speaks} | {_written(program.files)} |"
        for program in PROGRAMS.values()
    )
    return (
        "What `--write` changes it leaves a copy of, as `FILE.bak-TIME`; comments and everything else in the file stay, a key that stands there too, and a second time nothing changes. "
        "Those of them that [Programs that were tried](clients.md) lists have been run with what this command wrote.\n\n"
        f"| PROGRAM | | speaks | |\n|---|---|---|---|\n{rows}"
    )


def _written(files: bool) -> str:
    return "`--write`" if files else ""


def _flags(parser: argparse.ArgumentParser, name: str) -> list[str]:
    """The tables of a command, and of those behind it."""
    rows, parts = [], []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, behind in action.choices.items():
                parts += [f"### {name} {word}", f"{behind.description}", *_flags(behind, f"{name} {word}")]
        elif not isinstance(action, argparse._HelpAction):
            rows.append(_row(action))
    table = ["| | |\n|---|---|\n" + "\n".join(rows)] if rows else []
    return [*table, *parts]


def _row(action: argparse.Action) -> str:
    choices = f"{', '.join(map(str, action.choices))}" if action.choices else ""
    value = str(action.metavar or ("" if not action.choices else "WORD"))
    name = (
        f"{action.option_strings[-1]} {value}".strip()
        if action.option_strings
        else str(action.metavar or action.dest.upper())
    )
    if action.option_strings and action.nargs == 0:
        name = action.option_strings[-1]
    words = "; ".join(
        filter(
            None,
            [(action.help or "").replace("%%", "%"), choices if choices not in (action.help or "") else ""],
        )
    )
    return f"| `{name}` | {words.replace('|', ', ')} |"
