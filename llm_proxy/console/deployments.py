"""The rows of the console's page of models: how each upstream stands, and what was seen of it lately.

Laws: where routing measures an upstream (it has a choice), its figures are told, as ``/status/models`` does; of others those of
the last requests. No host and no key is named. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_proxy.console.finished import Request
from llm_proxy.live.state.snapshot import Snapshot
from llm_proxy.wire.calls import Deployment

Key = tuple[str, str]

#: Fields of a row of the configuration.
FIELDS = ("provider", "name", "api_type", "model", "vendor", "active", "weight", "order", "max_concurrent")
STATES = ("ok", "ejected", "asleep", "full", "out")
#: What somebody has to look at.
TROUBLE = ("ejected", "asleep", "full")

#: What came of an attempt, in words.
_WORDS = {
    "refused": "no connection: it is not there, or not reachable",
    "reset": "it closed the connection before its answer was complete",
    "timeout": "it took too long",
    "aborted": "the call was given up",
    "401": "it rejects our key",
    "403": "it rejects our key, or the model is not for it",
    "404": "it does not know the model, or has no such endpoint",
    "429": "it asks for fewer requests",
    "500": "an error of its own",
    "503": "it is not ready, or overloaded",
    "529": "it is overloaded",
}


@dataclass(slots=True)
class Lately:
    """What the last requests say of one deployment."""

    first: list[float] = field(default_factory=list)
    speeds: list[float] = field(default_factory=list)
    last_error: dict[str, Any] | None = None


def lately(requests: Iterable[Request]) -> dict[Key, Lately]:
    """By provider and public name (of errors: by provider alone, with an empty name, too); ``requests``: newest first."""
    found: dict[Key, Lately] = {}
    for one in requests:
        provider, model = one["provider"] or "", one["model"] or ""
        row = found.setdefault((provider, model), Lately())
        if one["stream"] and isinstance(one["first_byte_ms"], int | float) and (one["status"] or 0) < 400:
            row.first.append(one["first_byte_ms"])
        if one["tokens_per_second"] is not None:
            row.speeds.append(one["tokens_per_second"])
        for attempt in reversed(one["tries"]):
            failed = attempt["outcome"]
            if failed == "aborted" or failed.startswith(("2", "3")):
                continue
            of = found.setdefault((attempt["provider"], model), Lately())
            of.last_error = of.last_error or {
                "at": one["at"],
                "code": failed,
                "message": _WORDS.get(failed, f"it answered with status {failed}"),
            }
    return found


def row_of(
    deployment: Deployment,
    standing: Mapping[str, Any],
    seen: Lately | None,
    running: int,
    memory: Mapping[str, Any] | None,
    listed: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """One deployment; ``standing`` as ``/status/models`` tells it, ``running``: requests that were counted there."""
    row: dict[str, Any] = {name: getattr(deployment, name) for name in FIELDS}
    row |= standing
    row["in_flight"] = max(row["in_flight"], running)
    row |= {"list": listed, "memory": memory, "last_error": seen.last_error if seen else None}
    if seen is not None and row["first_token_ms"]["p50"] is None:
        row["first_token_ms"] = {"p50": _quantile(seen.first, 0.5), "p95": _quantile(seen.first, 0.95)}
    if seen is not None and row["tokens_per_second"] is None and seen.speeds:
        row["tokens_per_second"] = round(sum(seen.speeds) / len(seen.speeds), 3)
    return row


def _quantile(values: Iterable[float], share: float) -> float | None:
    several = sorted(values)
    return several[min(len(several) - 1, int(share * len(several)))] if several else None


def found_in(text: str, deployment: Deployment) -> bool:
    """Whether ``text`` (in small letters) stands in one of its names."""
    return any(text in name.lower() for name in (deployment.name, deployment.provider, deployment.model))


def names_of(snapshot: Snapshot, wanted: str, most: int) -> list[dict[str, Any]]:
    """The names that can be asked for, and what stands behind each."""
    names, found = snapshot.config.names, []
    rows = Counter(row.name for row in snapshot.config.deployments if row.active)
    shown = {**dict.fromkeys(snapshot.models), **dict.fromkeys(names.aliases), **dict.fromkeys(rows)}
    for name in shown:
        if wanted not in name.lower():
            continue
        alias = names.aliases.get(name)
        policy = names.policy(alias or name)
        found.append(
            {
                "name": name,
                "kind": "alias" if alias is not None else "pattern" if "*" in name else "model",
                "alias_of": alias,
                "policy": policy.policy,
                "retries": policy.retries,
                "fallbacks": [one.model for one in policy.fallbacks],
                "deployments": rows[name] or len(snapshot.models.get(name, ())),
            }
        )
        if len(found) == most:
            break
    return found
