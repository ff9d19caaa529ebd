"""``llm-proxy completion bash | zsh | fish``: a script that completes commands, flags and their words, made of the parsers themselves.

The script is static: nothing is started while somebody types. Where a flag or an argument takes any text, files are completed.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_proxy import __version__
from llm_proxy.cli.command import Command, parser_of
from llm_proxy.faces.programs.table import PROGRAMS

_SHELLS = ("bash", "zsh", "fish")
_HELP = {
    "bash": "# To have it now: source <(llm-proxy completion bash)\n"
    "# and always: llm-proxy completion bash > ~/.local/share/bash-completion/completions/llm-proxy\n",
    "zsh": "#compdef llm-proxy\n# Put it in a folder of $fpath, as _llm-proxy, or: source <(llm-proxy completion zsh)\n",
    "fish": "# llm-proxy completion fish > ~/.config/fish/completions/llm-proxy.fish\n",
}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What stands behind ``llm-proxy completion``."""
    parser.add_argument("shell", choices=_SHELLS)


def run(given: Mapping[str, Any]) -> int:
    """Print the script; ``given["commands"]``: the table of commands."""
    print(script(given["shell"], given["commands"]), end="")
    return 0


@dataclass(frozen=True, slots=True)
class Level:
    """What may follow the words of ``path``: commands and words with their help, flags with theirs, and of each flag that takes a
    value the words that it may be (none: any text)."""

    path: tuple[str, ...]
    words: dict[str, str] = field(default_factory=dict)
    flags: dict[str, str] = field(default_factory=dict)
    values: dict[str, tuple[str, ...]] = field(default_factory=dict)


def levels(parser: argparse.ArgumentParser, path: tuple[str, ...] = ()) -> Iterable[Level]:
    """Of a parser and of all behind it."""
    level = Level(path)
    inner: list[Level] = []
    for action in parser._actions:  # argparse has no public way to look at itself
        words = _help(action.help)
        if isinstance(action, argparse._SubParsersAction):
            level.words.update({choice.dest: _help(choice.help) for choice in action._choices_actions})
            for name, behind in action.choices.items():
                inner += levels(behind, (*path, name))
        elif action.option_strings:
            name = action.option_strings[-1]
            level.flags[name] = words
            if action.nargs != 0:
                level.values[name] = tuple(map(str, action.choices or ()))
        elif action.choices:
            level.words.update(dict.fromkeys(map(str, action.choices), ""))
    if path == ("client",):
        level.words.update({name: program.name for name, program in PROGRAMS.items()})
    return [level, *inner]


def script(shell: str, commands: Iterable[Command]) -> str:
    """For one of the shells."""
    parser, _ = parser_of(commands, __version__)
    found = list(levels(parser))
    return _HELP[shell] + {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](found)


def _help(text: str | None) -> str:
    """One line without what a shell would take for its own."""
    return re.sub(r"[^\w .,;/()<>=+-]", "", (text or "").replace("%%", "%").split(";")[0])[:70].strip()


def _cases(found: Iterable[Level], reply: str, files: str) -> list[str]:
    """The same for bash and zsh: which path it is, what a flag may be, what follows. ``files``: how the shell offers them."""
    paths = [" ".join(level.path) for level in found if level.path]
    lines = [
        '  local path="" word',
        '  for word in "${before[@]}"; do',
        '    case "${path:+$path }$word" in',
        f'      {"|".join(_quoted(path) for path in paths)}) path="${{path:+$path }}$word" ;;',
        "    esac",
        "  done",
        '  case "$path $last" in',
    ]
    for level in found:
        start = f"{' '.join(level.path)} "
        texts = [_quoted(start + flag) for flag, may in level.values.items() if not may]
        if texts:
            lines.append(f"    {'|'.join(texts)}) {files}return ;;")
        for flag, may in level.values.items():
            if may:
                lines.append(f"    {_quoted(start + flag)}) {reply.format(words=' '.join(may))}; return ;;")
    lines += ["  esac", '  case "$path" in']
    for level in found:
        words = " ".join([*level.words, *level.flags])
        lines.append(f"    {_quoted(' '.join(level.path))}) {reply.format(words=words)} ;;")
    return [*lines, "  esac"]


def _quoted(text: str) -> str:
    return f'"{text}"'


def _bash(found: list[Level]) -> str:
    reply = 'COMPREPLY=($(compgen -W "{words}" -- "$current"))'
    lines = [
        "_llm_proxy() {",
        '  local current="${COMP_WORDS[COMP_CWORD]}" last="${COMP_WORDS[COMP_CWORD-1]}"',
        '  local before=("${COMP_WORDS[@]:1:COMP_CWORD-1}")',
        "  COMPREPLY=()",
        *_cases(found, reply, ""),
        "}",
        "complete -o default -F _llm_proxy llm-proxy",
    ]
    return "\n".join(lines) + "\n"


def _zsh(found: list[Level]) -> str:
    lines = [
        "_llm_proxy() {",
        '  local last="${words[CURRENT-1]}"',
        '  local -a before; before=("${(@)words[2,CURRENT-1]}")',
        # A parameter called path is tied to PATH there.
        *(
            line.replace("path", "place")
            for line in _cases(found, "compadd -- {words} || _files", "_files; ")
        ),
        "}",
        "compdef _llm_proxy llm-proxy",
    ]
    return "\n".join(lines) + "\n"


def _fish(found: list[Level]) -> str:
    lines = []
    for level in found:
        if level.path:
            condition = " and ".join(f"__fish_seen_subcommand_from {word}" for word in level.path)
            if level.words:
                condition += f"; and not __fish_seen_subcommand_from {' '.join(level.words)}"
            condition = condition.replace(" and ", "; and ")
        else:
            condition = "__fish_use_subcommand"
        start = f"complete -c llm-proxy -n '{condition}'"
        lines += [f"{start} -f -a {word}{_said(text)}" for word, text in level.words.items()]
        for flag, text in level.flags.items():
            takes = ""
            if flag in level.values:
                takes = f" -x -a '{' '.join(level.values[flag])}'" if level.values[flag] else " -r"
            name = f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}"
            own = f"complete -c llm-proxy -n '{condition.split('; and not')[0]}'" if level.path else start
            lines.append(f"{own} {name}{takes}{_said(text)}")
    return "\n".join(lines) + "\n"


def _said(text: str) -> str:
    return f" -d '{text}'" if text else ""
