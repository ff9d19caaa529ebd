"""``llm-proxy COMMAND``: the same as ``python -m llm_proxy COMMAND``; alone it shows what there is."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from llm_proxy import __version__
from llm_proxy.cli.command import Command, parser_of, screen
from llm_proxy.live.config.report import did_you_mean

_RUN, _LOOK, _SHARE, _SHELL = "Run it", "Look at it", "Share it", "In your shell"
#: All commands, as ``llm-proxy`` shows them.
COMMANDS = (
    Command("serve", "llm_proxy.rest_api", "serve", _RUN, "run the gateway", "Run the gateway."),
    Command(
        "init",
        "llm_proxy.cli.init",
        "init",
        _RUN,
        "write down the model servers that run on this machine",
        "Look which model servers run on this machine, and write a models-config.json for them.",
    ),
    Command(
        "import",
        "llm_proxy.cli.importer",
        "run",
        _RUN,
        "take over the configuration of LiteLLM, llama-swap, Ollama, ...",
        "Make models-config.json, and access.json, of another program's configuration, and report every field of it.",
    ),
    Command(
        "check",
        "llm_proxy.cli.check",
        "check",
        _LOOK,
        "judge the configuration, or what an edit would change",
        "Run the loader that the server runs, and say what it finds.",
    ),
    Command(
        "doctor",
        "llm_proxy.cli.doctor.command",
        "doctor",
        _LOOK,
        "what keeps it from working: port, upstreams, keys, certificates",
        "Look at everything that a start needs, with the settings that serve would read, and say what is broken and what to do. "
        "Upstreams are asked for their lists only, which costs nothing.",
    ),
    Command(
        "top",
        "llm_proxy.cli.top",
        "run",
        _LOOK,
        "what a running gateway does, live",
        "A live table of requests, models and latencies.",
    ),
    Command(
        "client",
        "llm_proxy.cli.client",
        "client",
        _SHARE,
        "settings of Claude Code, Codex, opencode, ... for this gateway",
        "Print what a program must be told to ask this gateway, or write it into the program's own files.",
    ),
    Command(
        "key", "llm_proxy.cli.key", "key", _SHARE, "make, list and remove keys", "The keys of access.json."
    ),
    Command(
        "usage",
        "llm_proxy.cli.usage",
        "usage",
        _SHARE,
        "what was used, by key and model",
        "What was used, by key and model.",
    ),
    Command(
        "completion",
        "llm_proxy.cli.completion",
        "run",
        _SHELL,
        "a script for bash, zsh or fish that completes all of this",
        "Print a script that completes commands and flags: source <(llm-proxy completion bash)",
    ),
)
_EXAMPLES = {
    "llm-proxy serve --local": "try it: with a small real model of its own",
    "llm-proxy doctor": "why does it not work?",
    "llm-proxy client codex --write": "let Codex ask the gateway that runs here",
    "llm-proxy top": "see what it does",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the console script; returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given:
        print(screen(COMMANDS, __version__, _EXAMPLES))
        return 0
    asked = next((word for word in given if not word.startswith("-")), "")
    if asked and asked not in {command.name for command in COMMANDS}:
        near = did_you_mean(asked, (command.name for command in COMMANDS))
        print(
            f"llm-proxy: there is no command {asked[:100]!r}{near} (llm-proxy alone shows all)",
            file=sys.stderr,
        )
        return 2
    parser, _ = parser_of(COMMANDS, __version__, only=asked)
    flags = {name: value for name, value in vars(parser.parse_args(given)).items() if value is not None}
    name = flags.pop("command")
    if name == "completion":
        flags["commands"] = COMMANDS
    return next(command for command in COMMANDS if command.name == name).run(flags)


if __name__ == "__main__":
    sys.exit(main())
