"""What a running gateway may tell about its configuration, so that an edit can be compared with it beforehand.

Laws: no host, key, header or free text of an option ever leaves the process, and nothing from which one could be
found again: such a value is told as six digits of a keyed hash under a salt that is new each time, enough to see that
it differs. Whoever knows a value could still confirm it by these digits, so they are told to callers on the
gateway's own machine only; any other learns the rest. The words for a difference are those of the log. Pure.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from llm_proxy.live.access import words
from llm_proxy.live.config.diff import diff
from llm_proxy.live.config.placeholders import Filled
from llm_proxy.live.state.snapshot import Snapshot
from llm_proxy.wire.calls import Deployment, Secret, Timeouts
from llm_proxy.wire.policies import DeploymentLimits

_DIGITS = 6
_MASKED = "masked"
#: Texts in these fields are names that requests and listings show anyway.
_PLAIN = frozenset(
    {
        "provider",
        "name",
        "api_type",
        "vendor",
        "api",
        "model",
        "keep_alive",
        "languages",
        "capabilities",
        "prompt",
        "on_client_gone",
        "load",
    }
)
#: What a row is made of; the rest follows from it.
_FIELDS = tuple(field.name for field in dataclasses.fields(Deployment) if field.init)


class Masks:
    """Turns values that must stay inside into digits. Without a salt, into nothing: then they cannot be compared."""

    def __init__(self, salt: str) -> None:
        self._salt = salt.encode()

    def hide(self, value: Any) -> dict[str, str]:
        """What is told instead of ``value``."""
        if not self._salt:
            return {_MASKED: ""}
        text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        return {_MASKED: hmac.new(self._salt, text.encode(), hashlib.sha256).hexdigest()[:_DIGITS]}

    def row(self, row: Deployment) -> dict[str, Any]:
        """A deployment fit to leave the process."""
        told = {name: self._field(name, getattr(row, name)) for name in _FIELDS}
        # The address of the demo model is chosen anew by each process.
        told["api_host"] = self.hide("demo" if row.api_type == "demo" else row.api_host)
        return told

    def name(self, value: Any) -> Any:
        """What ``$models`` says of a name, fit to leave the process: names and words are shown anyway."""
        if isinstance(value, Mapping):
            return {key: self.name(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.name(item) for item in value]
        return self.hide(value) if isinstance(value, Filled) else value

    def _field(self, name: str, value: Any) -> Any:
        if isinstance(value, Timeouts | DeploymentLimits):
            return dataclasses.asdict(value)
        if isinstance(value, Mapping):
            return {key: self._field("", item) for key, item in value.items()}
        if isinstance(value, Secret):
            return self.hide(value.reveal())
        if value is None or isinstance(value, int | float):
            return value
        if name in _PLAIN and not isinstance(value, Filled):
            return value
        return self.hide(value)


def tell(snapshot: Snapshot, salt: str) -> dict[str, Any]:
    """What runs, as JSON. Without ``salt`` what must stay inside is left out."""
    masks = Masks(salt)
    return {
        "generation": snapshot.generation,
        "hash": snapshot.hash,
        "salt": salt,
        "models": [masks.row(row) for row in snapshot.config.deployments],
        "names": masks.name(snapshot.config.names.rows),
        "prompts": [[*key, prompt.hash] for key, prompt in sorted(snapshot.prompts.prompts.items())],
        "access": words.told(snapshot.access, lambda digest: masks.hide(digest.hex())[_MASKED]),
    }


def differences(told: Mapping[str, Any], candidate: Snapshot) -> list[str]:
    """What would change if ``candidate`` replaced what was told, in words.

    Raises ``ValueError`` if it is not what ``tell`` makes.
    """
    try:
        mine = json.loads(json.dumps(tell(candidate, told["salt"])))
        sides = [
            ([_row(row) for row in side["models"]], _prompts(side["prompts"]), _names(side.get("names", {})))
            for side in (told, mine)
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not the answer of a gateway of this version") from error
    (old_rows, old_prompts, old_names), (new_rows, new_prompts, new_names) = sides
    keys = words.differences(told.get("access", {}), mine["access"])
    return diff(old_rows, new_rows, old_prompts, new_prompts, old_names, new_names, keys)


def _row(told: Mapping[str, Any]) -> Deployment:
    """The deployment that was told, digits instead of what was hidden."""
    fields = {name: _value(value) for name, value in told.items() if name in _FIELDS}
    fields["timeouts"] = Timeouts(**told["timeouts"])
    limits = told.get("limits")
    fields["limits"] = DeploymentLimits(**limits) if limits else None
    fields["token"] = Secret(fields["token"]) if fields["token"] is not None else None
    fields["headers"] = MappingProxyType(
        {name: Secret(_value(value)) for name, value in told["headers"].items()}
    )
    return Deployment(**fields)


def _value(told: Any) -> Any:
    if isinstance(told, dict):
        if told.keys() == {_MASKED}:
            return Filled(told[_MASKED])
        return MappingProxyType({name: _value(value) for name, value in told.items()})
    return tuple(told) if isinstance(told, list) else told


def _names(told: Any) -> Any:
    if isinstance(told, dict):
        if told.keys() == {_MASKED}:
            return Filled(told[_MASKED])
        return {name: _names(value) for name, value in told.items()}
    return [_names(value) for value in told] if isinstance(told, list) else told


def _prompts(told: list[list[str]]) -> dict[tuple[str, str], str]:
    return {(name, language): digest for name, language, digest in told}
