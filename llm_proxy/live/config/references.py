"""Whether the names in ``$models`` mean something: of rows, of aliases, of fallbacks; and that nothing leads back to itself.

Laws: a name that no request could be answered for is a problem; one that only a provider's pattern serves is a warning, since
nobody knows whether its upstream has it, and so is one that is out of use. What ``"*"`` says of fallbacks holds for all
models, so that it may name any of them: it makes no circle. Linear in what there is. Pure; no finding shows a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from llm_proxy.errors import MAX_PROBLEMS
from llm_proxy.live.config.patterns import Pattern, is_pattern, may_be_asked
from llm_proxy.live.config.public_names import ALL, MODELS, Names
from llm_proxy.live.config.report import Report
from llm_proxy.live.config.rows import DEFAULTS
from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.did_you_mean import close_matches
from llm_proxy.wire.json_scan import Path, shown

_BY_PATTERN = "only a pattern serves this name: whether its upstream has it is not known here"
_OUT_OF_USE = "this model is out of use now: none of its upstreams is active"
#: So many names of a circle are told.
_SHOWN = 6


def check_names(
    names: Names, document: Mapping[str, Any], deployments: Iterable[Deployment], report: Report
) -> None:
    """Judge what ``names`` refers to: models in ``document`` (the providers), of which the sound ones are ``deployments``."""
    if names.rows:
        idle = {(row.provider, row.name) for row in deployments if not row.active}
        models = [
            (provider, name, (provider, name) not in idle)
            for provider, rows in document.items()
            if isinstance(rows, dict)
            for name in rows
            if name != DEFAULTS
        ]
        _References(names, models, report).check()


class _References:
    def __init__(self, names: Names, models: Iterable[tuple[str, str, bool]], report: Report) -> None:
        self.names = names
        self.report = report
        #: Public names, and whether any row of each is in use; patterns; the rows of each provider.
        self.used: dict[str, bool] = {}
        patterns: dict[str, Pattern] = {}
        self.own: dict[str, dict[str, Pattern | None]] = {}
        for provider, name, active in models:
            star = Pattern(name) if is_pattern(name) else None
            self.own.setdefault(provider, {})[name] = star
            if star is not None:
                patterns[name] = star
            else:
                self.used[name] = self.used.get(name, False) or active
        self.patterns = tuple(patterns.values())
        self.known = sorted({*self.used, *(key for key in names.aliases if not is_pattern(key))})

    def check(self) -> None:
        for key in self.names.rows:
            self._check_key(key)
        for key, target in self.names.aliases.items():
            self._check_target((MODELS, key, "alias"), target)
        self._check_aliases()
        for key, row in self.names.rows.items():
            for at, target in enumerate(_named(row)):
                self._check_target(_place(key, row, at), target)
        self._check_circles()

    def _check_key(self, key: str) -> None:
        """Whether a row is for something."""
        path = (MODELS, key)
        if key in self.names.aliases:
            if self.used.get(key):
                text = "is a model already: an alias needs a name of its own"
                self.report.problem(path, text, at_key=True)
        elif is_pattern(key):
            if key != ALL and not self.patterns and not any(map(Pattern(key).fits, self.used)):
                self.report.warn(path, "no model fits this pattern")
        elif key not in self.used:
            if self._fits(key):
                self.report.warn(path, _BY_PATTERN)
            else:
                text = f"no provider has this model{self._near(key)}"
                self.report.problem(path, text, at_key=True)

    def _check_target(self, path: Path, target: str) -> None:
        if target in self.names.aliases:
            return
        if target in self.used:
            if not self.used[target]:
                self.report.warn(path, _OUT_OF_USE)
            return
        if self._pinned(target) or any(alias.fits(target) for alias in self.names.alias_patterns):
            return
        if self._fits(target):
            self.report.warn(path, _BY_PATTERN)
        else:
            self.report.problem(path, f"names no model that can be asked for{self._near(target)}")

    def _fits(self, name: str) -> bool:
        """Whether a provider's pattern serves it."""
        provider, _, model = name.partition("/")
        own = (star for star in self.own.get(provider, {}).values() if star is not None)
        return may_be_asked(name) and (
            any(pattern.fits(name) for pattern in self.patterns)
            or (bool(model) and any(star.fits(model) for star in own))
        )

    def _pinned(self, name: str) -> bool:
        """Whether it is a ``provider/model`` that is spelled out."""
        provider, _, model = name.partition("/")
        return not is_pattern(model) and model in self.own.get(provider, {})

    def _near(self, name: str) -> str:
        """A known name that is like it; not for each of very many."""
        if len(self.report.problems) > MAX_PROBLEMS:
            return ""
        return "".join(f'; did you mean "{meant}"?' for meant in close_matches(name, self.known, 1))

    def _check_aliases(self) -> None:
        """No alias leads to itself."""
        nexts = {key: (self._alias_of(target),) for key, target in self.names.aliases.items()}
        for circle in _circles({key: [at for at in to if at] for key, to in nexts.items()}):
            path = (MODELS, circle[0], "alias")
            self.report.problem(path, f"leads back to itself: {self._way(circle)}")

    def _alias_of(self, name: str) -> str | None:
        """The key of the alias that ``name`` is, if it is one."""
        if name in self.names.aliases:
            return name
        if name in self.used or self._pinned(name):
            return None
        served = max((pattern.fixed for pattern in self.patterns if pattern.fits(name)), default=-1)
        fits = (alias for alias in self.names.alias_patterns if alias.fits(name))
        return next((alias.text for alias in fits if alias.fixed >= served), None)

    def _meant(self, name: str) -> str:
        """The public name behind ``name``."""
        for _ in range(len(self.names.aliases) + 1):
            key = self._alias_of(name)
            if key is None:
                return name
            name = self.names.aliases[key]
        return name  # a circle, which is told elsewhere

    def _check_circles(self) -> None:
        """No model falls back on itself, by whatever way."""
        edges: dict[str, list[str]] = {}
        todo = [key for key in self.names.rows if not is_pattern(key) and key not in self.names.aliases]
        places: dict[str, tuple[str, Mapping[str, object]]] = {}
        while todo:
            name = todo.pop()
            if name in edges:
                continue
            chosen = name not in self.used and name.partition("/")[0] in self.own
            key = (
                None if chosen else self.names.key_of(name)
            )  # what is chosen with its provider has no fallbacks
            row = self.names.rows.get(key or "", {})
            meant = [self._meant(target) for target in _named(row)]
            if key != name:  # what holds for all that fit may name one of them
                meant = [target if target != name else "" for target in meant]
            edges[name] = meant
            if key is not None:
                places[name] = (key, row)
            todo += [target for target in meant if target]
        for circle in _circles(edges):
            name, target = circle[0], circle[1]
            key, row = places[name]
            path = _place(key, row, edges[name].index(target))
            self.report.problem(path, f"leads back to itself: {self._way(circle)}")

    def _way(self, circle: list[str]) -> str:
        """A circle in words. Of its names, those are shown that are keys of the document."""
        told = [shown(name) if name in self.used or name in self.names.rows else "..." for name in circle]
        if len(told) > _SHOWN:
            told[_SHOWN - 1 : -1] = ["..."]
        return " -> ".join(told)


def _named(row: Mapping[str, object]) -> list[str]:
    """The models that a row falls back on."""
    items = row.get("fallbacks")
    if not isinstance(items, list):
        return []
    return [item if isinstance(item, str) else item["model"] for item in items]


def _place(key: str, row: Mapping[str, object], at: int) -> Path:
    items = row["fallbacks"]
    assert isinstance(items, list)
    path: Path = (MODELS, key, "fallbacks", at)
    return path if isinstance(items[at], str) else (*path, "model")


def _circles(edges: Mapping[str, list[str]]) -> Iterator[list[str]]:
    """Ways that lead back to where they began, at least one in each knot of them; linear."""
    done: set[str] = set()
    for start in edges:
        way: list[str] = []
        on_way: dict[str, int] = {}
        stack: list[tuple[str, Iterator[str]]] = []
        if start not in done:
            stack.append((start, iter(edges[start])))
            on_way[start] = 0
            way.append(start)
        while stack:
            name, rest = stack[-1]
            target = next(rest, None)
            if target is None:
                stack.pop()
                done.add(name)
                del on_way[name]
                way.pop()
            elif target in on_way:
                yield [*way[on_way[target] :], target]
            elif target in edges and target not in done:
                stack.append((target, iter(edges[target])))
                on_way[target] = len(way)
                way.append(target)
