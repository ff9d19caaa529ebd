"""What ``$models`` says of public names, as values: policies, aliases, and which row holds for a name.

Laws: frozen. A row of its own name holds for a model, else that of the pattern with the longest fixed part, else that of
``"*"``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_proxy.live.config.patterns import Pattern, is_pattern
from llm_proxy.wire.calls import NOTHING
from llm_proxy.wire.policies import DEFAULT_POLICY, ModelPolicy

MODELS = "$models"
#: The row that holds for all.
ALL = "*"


@dataclass(frozen=True, slots=True)
class Names:
    """What ``$models`` says. ``rows`` are as they were written; ``policies`` and ``aliases`` are by key, exact or pattern."""

    rows: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: NOTHING, repr=False)
    policies: Mapping[str, ModelPolicy] = field(default_factory=lambda: NOTHING)
    aliases: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    #: The patterns among the keys of each, the longest fixed part first, without ``"*"``.
    patterns: tuple[Pattern, ...] = field(init=False, default=(), compare=False)
    alias_patterns: tuple[Pattern, ...] = field(init=False, default=(), compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "patterns", _patterns(self.policies))
        object.__setattr__(self, "alias_patterns", _patterns(self.aliases))

    def key_of(self, name: str) -> str | None:
        """The key of the row that holds for ``name``; None if nothing but ``"*"`` or the defaults do."""
        if name in self.policies and name != ALL:
            return name
        return next((pattern.text for pattern in self.patterns if pattern.fits(name)), None)

    def policy(self, name: str) -> ModelPolicy:
        """What holds for ``name``."""
        return self.policies.get(self.key_of(name) or ALL, DEFAULT_POLICY)


def _patterns(keys: Mapping[str, Any]) -> tuple[Pattern, ...]:
    found = [Pattern(key) for key in keys if is_pattern(key) and key != ALL]
    return tuple(sorted(found, key=lambda pattern: (-pattern.fixed, pattern.text)))
