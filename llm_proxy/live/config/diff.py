"""What an edit changed, in words, for the log line of a reload and for ``check``.

Laws: pure. Keys, headers and hosts only ever read "changed"; of the options, numbers and truth values are shown, and
texts only where the name says that they are harmless, because an operator may keep a secret in any other.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from llm_proxy.live.config.name_diff import NameRows, name_changes
from llm_proxy.live.config.placeholders import Filled
from llm_proxy.wire.calls import NOTHING, Deployment
from llm_proxy.wire.json_scan import shown

#: A change of ``defaults`` may touch thousands of models; a log line must stay readable.
MAX_LINES = 50

_PLAIN = (
    "api_type",
    "vendor",
    "api",
    "model",
    "keep_alive",
    "active",
    "weight",
    "order",
    "max_concurrent",
    "load",
    "prefill",
    "languages",
    "input_size",
    "capabilities",
    "prompt",
    "on_client_gone",
    "drain_seconds",
    "trace",
)
_GRANTED = ("rpm", "tpm")
_LIMITS = ("connect", "first_byte", "idle", "total")
#: Options whose texts are chosen from a short published list.
_HARMLESS = frozenset({"reasoning_effort", "verbosity", "service_tier", "think"})

#: ``(id, language)`` of a prompt, to the hash of its text.
PromptHashes = Mapping[tuple[str, str], str]


def diff(
    old: Iterable[Deployment],
    new: Iterable[Deployment],
    old_prompts: PromptHashes,
    new_prompts: PromptHashes,
    old_names: NameRows = NOTHING,
    new_names: NameRows = NOTHING,
    more: Iterable[str] = (),
) -> list[str]:
    """One sentence for each model, public name and prompt that was added, removed or changed, and ``more`` sentences; at
    most ``MAX_LINES`` and a count."""
    lines = [
        *_models(list(old), list(new)),
        *name_changes(old_names, new_names),
        *_prompts(old_prompts, new_prompts),
        *more,
    ]
    if len(lines) > MAX_LINES:
        lines[MAX_LINES:] = [f"and {len(lines) - MAX_LINES} more"]
    return lines


def _models(old: list[Deployment], new: list[Deployment]) -> Iterator[str]:
    before = {(row.name, row.provider): row for row in old}
    after = {(row.name, row.provider): row for row in new}
    keys = sorted(before.keys() | after.keys())
    served = Counter(name for name, _ in keys)
    for key in keys:
        label = f"model {shown(key[0])}"
        if served[key[0]] > 1 or key not in before or key not in after:
            label += f" of {shown(key[1])}"
        if key not in before:
            yield f"{label} added"
        elif key not in after:
            yield f"{label} removed"
        elif changes := list(_changes(before[key], after[key])):
            yield f"{label}: {', '.join(changes)}"


def _changes(old: Deployment, new: Deployment) -> Iterator[str]:
    for name in _PLAIN:
        before, after = getattr(old, name), getattr(new, name)
        if name == "vendor" and old.api_host != new.api_host:
            continue  # it follows from the host, and "api_host changed" is said
        if before != after:
            yield f"{name} {_text(before)} -> {_text(after)}"
    for name in _LIMITS:
        before, after = getattr(old.timeouts, name), getattr(new.timeouts, name)
        if before != after:
            yield f"timeouts.{name} {_seconds(before)} -> {_seconds(after)}"
    for name in _GRANTED:
        before, after = getattr(old.limits, name, None), getattr(new.limits, name, None)
        if before != after:
            yield f"limits.{name} {_text(before)} -> {_text(after)}"
    for name in sorted(old.options.keys() | new.options.keys()):
        yield from _option(name, old.options.get(name), new.options.get(name))
    if old.api_host != new.api_host:
        yield "api_host changed"
    yield from _hidden("api_token", old.token, new.token)
    for name in ("ca", "client_cert", "client_key"):
        yield from _hidden(name, getattr(old, name), getattr(new, name))
    for name in sorted(old.headers.keys() | new.headers.keys()):
        yield from _hidden(f"header {shown(name)}", old.headers.get(name), new.headers.get(name))


def _seconds(limit: float | None) -> str:
    return "unset" if limit is None else f"{limit:g}"


def _option(name: str, old: Any, new: Any) -> Iterator[str]:
    if old == new and isinstance(old, bool) == isinstance(new, bool):
        return
    if _showable(name, old) and _showable(name, new):
        yield f"{shown(name)} {_text(old)} -> {_text(new)}"
    else:
        yield from _hidden(f"option {shown(name)}", old, new)


def _showable(name: str, value: Any) -> bool:
    if isinstance(value, str):
        return name in _HARMLESS and not isinstance(value, Filled)
    return value is None or isinstance(value, int | float)


def _hidden(label: str, old: Any, new: Any) -> Iterator[str]:
    if old != new:
        yield f"{label} {'added' if old is None else 'removed' if new is None else 'changed'}"


def _text(value: Any) -> str:
    """A value as it stands in the file; a missing one is ``unset``."""
    if value is None or value in ((), ""):
        return "unset"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, tuple):
        return "/".join(map(shown, value))
    return json.dumps(value)


def _prompts(old: PromptHashes, new: PromptHashes) -> Iterator[str]:
    for key in sorted(old.keys() | new.keys()):
        label = f"prompt {shown(key[0])} ({shown(key[1])})"
        if key not in old:
            yield f"{label} added"
        elif key not in new:
            yield f"{label} removed"
        elif old[key] != new[key]:
            yield f"{label} {old[key][:8]} -> {new[key][:8]}"
