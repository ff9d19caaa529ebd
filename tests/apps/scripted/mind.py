"""What the scripted model does: looks at the task and at the offered tools, calls one, and says when it is done.

Pure. A request of any dialect has been read into ``Seen``; ``decide`` gives ``Said``. No conversation is kept: what was
already called stands in the request. The three tasks are sentences that no program would write by itself.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

FILE = re.compile(r"Create the file (\S+) with the content (\w+)")
PICTURE = re.compile(r"Look at the picture of the tool (\w+) and say (\w+)")
WORD = re.compile(r"Say the word (\w+)")

#: Tools that write a file, and tools that run a command, by their names: the first that is offered is taken.
WRITERS = re.compile(
    r"(write_?to_?file|write_?file|create_?(new_?)?file|write|create|save|str_replace_editor|editor)",
    re.IGNORECASE,
)
SHELLS = re.compile(
    r"(exec_command|shell_command|run_shell_command|execute_command|run_commands?|local_shell|shell|bash|terminal)",
    re.IGNORECASE,
)
#: What the tool says beside its picture (``pictures_mcp``).
BESIDE = "A red picture."
SEARCHES = re.compile(r"(tool_?search\w*)", re.IGNORECASE)
#: Names that a parameter for a path, for a text and for a command has in the wild.
PATHS = re.compile(r"(absolute_?|file_?|target_?)?(path|name|file)", re.IGNORECASE)
TEXTS = re.compile(r"(file_?)?(content|contents|text|new_str)", re.IGNORECASE)
COMMANDS = re.compile(r"(cmd|command|commands|script)", re.IGNORECASE)
#: How mini-swe-agent wants to be told that a task is done: by its shell.
SUBMIT = "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
THOUGHT = "The tool that fits will do."


@dataclass(frozen=True, slots=True)
class Offer:
    """A tool as it was offered: ``kind`` is the dialect's word for it, ``space`` the namespace that it stands in."""

    name: str
    schema: dict[str, Any] = field(default_factory=dict)
    kind: str = "function"
    space: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """A request, read: the texts of the user, the offers, the calls so far, the results' texts, pictures in results."""

    texts: tuple[str, ...] = ()
    offers: tuple[Offer, ...] = ()
    calls: tuple[str, ...] = ()
    results: int = 0
    pictures: int = 0
    told: bool = False  # the words that stand beside the picture


@dataclass(frozen=True, slots=True)
class Call:
    """A call of an offered tool; for a custom one ``arguments`` is the plain text."""

    offer: Offer
    arguments: dict[str, Any] | str


@dataclass(frozen=True, slots=True)
class Said:
    """An answer: a thought, a text and calls; at least one of the latter two."""

    thought: str = ""
    text: str = ""
    calls: tuple[Call, ...] = ()


def decide(seen: Seen) -> Said:
    """The answer to a request."""
    for text in seen.texts:
        if found := FILE.search(text):
            return _file(found[1], found[2], seen)
        if found := PICTURE.search(text):
            return _picture(found[1], found[2], seen)
    for text in reversed(seen.texts):
        if found := WORD.search(text):
            return _word(found[1], seen)
    return Said(text="Nothing to do.")


def fresh() -> str:
    """Something for an id that no answer had yet: programs take a call with a known id for a repetition."""
    return secrets.token_hex(8)


def done(mark: str) -> str:
    """What is said at the end of a task: made from the task's mark, and nowhere in the task."""
    return f"READY{mark[::-1]}"


def _word(mark: str, seen: Seen) -> Said:
    """Say the word; with tools of the asker's own, call the first of them before."""
    own = [one for one in seen.offers if one.name.endswith(("_version", "_time", "get_weather"))]
    if own and not seen.results:
        return Said(
            THOUGHT, calls=(Call(own[0], fill(own[0].schema, {"city": "Paris", "location": "Paris"})),)
        )
    return Said(THOUGHT, text=done(mark))


def _file(path: str, mark: str, seen: Seen) -> Said:
    shell = pick(seen.offers, SHELLS, COMMANDS)
    if seen.results == 1 and shell is not None and any(SUBMIT in text for text in seen.texts):
        words = f"echo {SUBMIT}; echo {done(mark)}"
        return Said(THOUGHT, calls=(Call(shell, fill(shell.schema, {"command": words})),))
    if seen.results:
        return Said(THOUGHT, text=done(mark))
    if (offer := pick(seen.offers, WRITERS, PATHS, TEXTS)) is not None:
        return Said(THOUGHT, calls=(Call(offer, write(offer, path, mark)),))
    if shell is not None:
        return Said(THOUGHT, calls=(Call(shell, fill(shell.schema, {"command": f"printf {mark} > {path}"})),))
    patch = next((one for one in seen.offers if one.kind == "custom" and one.name == "apply_patch"), None)
    if patch is not None:
        return Said(
            THOUGHT, calls=(Call(patch, f"*** Begin Patch\n*** Add File: {path}\n+{mark}\n*** End Patch"),)
        )
    name = path.rpartition("/")[2]
    return Said(
        THOUGHT, text=f"{name}\n```\n{mark}\n```\n\n{done(mark)}"
    )  # for who writes files from the text


def write(offer: Offer, path: str, mark: str) -> dict[str, Any]:
    """Arguments of a tool that writes a file."""
    return fill(offer.schema, {"path": path, "text": mark, "command": "create"})


def _picture(tool: str, mark: str, seen: Seen) -> Said:
    if any(name.endswith(tool) for name in seen.calls) and seen.results:
        return Said(THOUGHT, text=f"{done(mark)} {_came(seen)}")
    offer = next((one for one in seen.offers if one.name.endswith(tool)), None)
    if offer is None and len(seen.calls) < 3:
        offer = next(
            (one for one in seen.offers if SEARCHES.fullmatch(one.name) or one.kind == "tool_search"), None
        )
        if offer is not None:
            return Said(THOUGHT, calls=(Call(offer, fill(offer.schema, {"query": tool})),))
    if offer is None:
        return Said(THOUGHT, text=f"no tool {tool} is offered")
    return Said(THOUGHT, calls=(Call(offer, fill(offer.schema, {})),))


def _came(seen: Seen) -> str:
    """What arrived of the tool's result."""
    return "with a picture" if seen.pictures else "with the words alone" if seen.told else "with nothing"


def pick(offers: Iterable[Offer], names: re.Pattern[str], *parameters: re.Pattern[str]) -> Offer | None:
    """The first offer with such a name that has such parameters."""
    for one in offers:
        known = one.schema.get("properties", {})
        if one.kind == "local_shell" and names is SHELLS:
            return one
        if names.fullmatch(one.name.rpartition("__")[2]) and all(
            any(p.fullmatch(n) for n in known) for p in parameters
        ):
            return one
    return None


def fill(schema: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Arguments that fit a schema: what the task gives by the parameter's name, and for other required ones anything."""
    made: dict[str, Any] = {}
    for name, shape in schema.get("properties", {}).items():
        wanted = _wanted(name, values)
        if wanted is not None:
            made[name] = _as(wanted, shape)
        elif name in schema.get("required", ()):
            made[name] = anything(shape)
    return made


def _wanted(name: str, values: dict[str, Any]) -> Any:
    if name in values:
        return values[name]
    for key, pattern in (("path", PATHS), ("text", TEXTS), ("command", COMMANDS)):
        if key in values and pattern.fullmatch(name):
            return values[key]
    return None


def _as(value: Any, shape: dict[str, Any]) -> Any:
    kinds = _kinds(shape)
    if "array" in kinds and "string" not in kinds:
        inner = shape.get("items", {})
        if "string" in _kinds(inner):
            return (
                ["bash", "-lc", value]
                if "argv" in json.dumps(shape) or "execvp" in json.dumps(shape)
                else [value]
            )
        return [fill(inner, {"command": value})]
    return value


def _kinds(shape: dict[str, Any]) -> set[str]:
    found = shape.get("type")
    kinds = set(found) if isinstance(found, list) else {str(found).lower()} if found else set()
    for key in ("anyOf", "oneOf"):
        for one in shape.get(key, ()):
            kinds |= _kinds(one)
    return kinds


def anything(shape: dict[str, Any]) -> Any:
    """Some value of a schema."""
    if shape.get("enum"):
        return shape["enum"][0]
    if "default" in shape:
        return shape["default"]
    kinds = _kinds(shape)
    for kind, value in (("string", "a step of the task"), ("boolean", False), ("integer", 1), ("number", 1)):
        if kind in kinds:
            return value
    if "array" in kinds:
        return [anything(shape["items"])] if shape.get("minItems") else []
    return fill(shape, {}) if "object" in kinds else "a step of the task"
