"""Tools of OpenAI's own making that work on the client's machine: shells, patches, a screen
(platform.openai.com/docs/guides/tools-shell, /tools-apply-patch, /tools-computer-use).

Laws: the item says what the client's program expects, or there is none (a model that was not trained on these tools writes
a text for a list, or leaves out what has a usual value: that is read; anything else is not guessed). What a result says is
a text, or a picture.
"""

from __future__ import annotations

from typing import Any

from llm_proxy.faces.responses.kind import NUMBER, TEXT, TEXTS, Kind, integer, schema, text_of, told
from llm_proxy.faces.responses.screen import COMPUTER, PREVIEW

_Json = dict[str, Any]


class _Shell(Kind):
    type, item, prefix = "shell", "shell_call", "sh"

    def function(self, tool: _Json) -> _Json:
        parameters = schema(
            ("commands",),
            commands=told(TEXTS, "Shell commands, run one after the other."),
            timeout_ms=told(NUMBER, "How long they may run, in milliseconds."),
            max_output_length=told(NUMBER, "How many characters of output to keep."),
        )
        where = tool.get("environment")
        skills = where.get("skills") if isinstance(where, dict) else None
        words = "Run shell commands on the user's machine."
        return {
            "description": f"{words} Skills there: {text_of(skills)}" if skills else words,
            "parameters": parameters,
        }

    def fields(self, arguments: _Json, tool: _Json) -> _Json | None:
        commands = _texts(arguments.get("commands", arguments.get("command")), whole=True)
        if commands is None:
            return None
        limits = {name: integer(arguments.get(name)) for name in ("timeout_ms", "max_output_length")}
        return {"action": {"commands": commands, **limits}, "environment": {"type": "local"}}

    def arguments(self, item: _Json) -> str | None:
        return _action(item, "commands")

    def result(self, item: _Json) -> Any:
        given = item.get("output")
        if not isinstance(given, list):
            return given
        return "\n".join(_outcome(part) for part in given if isinstance(part, dict))


class _LocalShell(Kind):
    type, item, prefix = "local_shell", "local_shell_call", "lsh"

    def function(self, tool: _Json) -> _Json:
        parameters = schema(
            ("command",),
            command=told(TEXTS, 'The program and its arguments, e.g. ["bash", "-lc", "ls"].'),
            working_directory=TEXT,
            timeout_ms=NUMBER,
            env={"type": "object", "additionalProperties": TEXT},
            user=TEXT,
        )
        return {"description": "Run a command on the user's machine.", "parameters": parameters}

    def fields(self, arguments: _Json, tool: _Json) -> _Json | None:
        command = _texts(arguments.get("command", arguments.get("commands")))
        if isinstance(arguments.get("command"), str):
            command = ["bash", "-lc", arguments["command"]]
        env = arguments.get("env")
        if not command:
            return None
        found: _Json = {"type": "exec", "command": command}
        found["env"] = {k: str(v) for k, v in env.items()} if isinstance(env, dict) else {}
        found["timeout_ms"] = integer(arguments.get("timeout_ms"))
        for name in ("user", "working_directory"):
            found[name] = arguments[name] if isinstance(arguments.get(name), str) else None
        return {"action": found}

    def arguments(self, item: _Json) -> str | None:
        return _action(item, "command")


class _ApplyPatch(Kind):
    type, item, prefix = "apply_patch", "apply_patch_call", "apc"

    def function(self, tool: _Json) -> _Json:
        kinds = {"type": "string", "enum": ["create_file", "update_file", "delete_file"]}
        diff = (
            "What to change, without a header of files: after lines `@@` (with a line of context if need be) lines that"
            " begin with a blank (kept), `-` (removed) or `+` (added). In a new file each line begins with `+`."
            " Not for delete_file."
        )
        parameters = schema(("type", "path"), type=kinds, path=TEXT, diff=told(TEXT, diff))
        return {"description": "Create, change or delete one file.", "parameters": parameters}

    def fields(self, arguments: _Json, tool: _Json) -> _Json | None:
        inner = arguments.get("operation")
        given = inner if isinstance(inner, dict) else arguments
        kind, path, diff = (given.get(name) for name in ("type", "path", "diff"))
        if not isinstance(path, str) or kind not in ("create_file", "update_file", "delete_file"):
            return None
        if kind == "delete_file":
            return {"operation": {"type": kind, "path": path}}
        return {"operation": {"type": kind, "path": path, "diff": diff}} if isinstance(diff, str) else None

    def arguments(self, item: _Json) -> str | None:
        given = item.get("operation")
        return text_of(given) if isinstance(given, dict) else None

    def result(self, item: _Json) -> Any:
        status, output = item.get("status"), item.get("output")
        said = output if isinstance(output, str) else ""
        return f"{status}: {said}" if status == "failed" and said else said or str(status or "completed")


def _action(item: _Json, needed: str) -> str | None:
    given = item.get("action")
    if not isinstance(given, dict) or not isinstance(given.get(needed), list | str):
        return None
    return text_of({k: v for k, v in given.items() if k != "type" and v not in (None, {})})


def _texts(value: Any, *, whole: bool = False) -> list[str] | None:
    """A list of texts; one text is a list of it, if it is ``whole`` in itself."""
    if isinstance(value, str):
        return [value] if whole and value else None
    sound = isinstance(value, list) and value and all(isinstance(text, str) for text in value)
    return value if sound else None


def _outcome(part: _Json) -> str:
    """What one command said, and how it ended."""
    lines = [str(part.get("stdout") or "")]
    if part.get("stderr"):
        lines.append(f"stderr: {part['stderr']}")
    outcome = part.get("outcome")
    if isinstance(outcome, dict):
        code = outcome.get("exit_code")
        lines.append(f"exit code: {code}" if outcome.get("type") == "exit" else str(outcome.get("type")))
    return "\n".join(line for line in lines if line)


MACHINES: tuple[Kind, ...] = (_Shell(), _LocalShell(), _ApplyPatch(), COMPUTER, PREVIEW)
