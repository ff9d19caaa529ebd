"""What a load finds: problems with their places, and the values that it returns.

Laws: findings are collected by path while the rules run and get line and column at the end, because only a file
with findings is worth reading a second time with positions. The first finding for a path counts. No finding holds a
value of the document; keys are shown escaped and cut.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import lru_cache
from itertools import accumulate

from llm_proxy.errors import MAX_PROBLEMS, and_more
from llm_proxy.live.config.public_names import Names
from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.json_scan import Path, Scan, shown


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One thing that is wrong: ``path`` such as ``openai.gpt-4o.options.temperature``, line and column from 1, and
    what is allowed."""

    path: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        where = f"line {self.line}, column {self.column}"
        return f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"


class ConfigError(Exception):
    """The configuration is rejected, for ``problems`` (at least one, in the order of the text; beyond the first few they are
    counted in a last one). ``secret_files`` are
    the paths that it names: one of them may be what has to change."""

    def __init__(
        self,
        problems: Iterable[ConfigProblem],
        source: str = "",
        secret_files: Iterable[str] = (),
    ) -> None:
        found = tuple(problems)
        more = len(found) - MAX_PROBLEMS
        if more > 0:
            last = found[MAX_PROBLEMS - 1]
            found = (*found[:MAX_PROBLEMS], replace(last, path="", message=and_more(more)))
        self.problems = found
        self.source = source
        self.secret_files = tuple(secret_files)
        super().__init__(self.source, self.problems)

    def __str__(self) -> str:
        start = f"{self.source}: " if self.source else ""
        return "\n".join(f"{start}{problem}" for problem in self.problems)


@dataclass(frozen=True, slots=True)
class ApiType:
    """What the loader must know of an adapter. ``default_host`` is None where there is no usual one. ``vendors`` are
    those that it tells apart, and ``vendor_at`` which of them a host implies (empty: none)."""

    name: str
    default_host: str | None = None
    vendors: frozenset[str] = frozenset()
    vendor_at: Callable[[str], str] = field(default=lambda api_host: "", compare=False)


@dataclass(frozen=True, slots=True)
class Built:
    """What a load made of one provider, for the next: what every row depends on, and the rows by name and text. The
    texts hold secrets, so it does not show itself."""

    base: object = field(default=None, repr=False)
    rows: Mapping[tuple[str, str], Deployment] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Config:
    """A sound configuration. ``deployments`` has every (provider, model) row, the inactive ones too. ``providers`` has
    for each provider the bare row that raw passthrough calls use, or None if that needs a model's name."""

    deployments: tuple[Deployment, ...]
    providers: Mapping[str, Deployment | None]
    warnings: tuple[ConfigProblem, ...]
    secret_files: tuple[str, ...]
    uses_demo: bool
    #: What ``$models`` says.
    names: Names = field(default_factory=Names)
    #: By provider, what the next load may take over.
    built: Mapping[str, Built] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class _Finding:
    message: str
    at_key: bool


class Report:
    """Collects findings of one load."""

    def __init__(self) -> None:
        self.problems: dict[Path, _Finding] = {}
        self.warnings: dict[Path, _Finding] = {}

    def problem(self, path: Path, message: str, *, at_key: bool = False) -> None:
        """Reject: ``message`` concerns what stands at ``path``, or with ``at_key`` its key."""
        self.problems.setdefault(path, _Finding(message, at_key))

    def warn(self, path: Path, message: str) -> None:
        """Accept, but tell."""
        self.warnings.setdefault(path, _Finding(message, False))


def located(findings: Mapping[Path, _Finding], text: str, scan: Scan) -> list[ConfigProblem]:
    """``findings`` with their places. What is missing is shown at the nearest thing that is there."""
    starts = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]
    problems = []
    for path, finding in findings.items():
        found = path
        while found and found not in scan.where:
            found = found[:-1]
        key, value = scan.where.get(found, (0, 0))
        at_key = finding.at_key or found != path
        offset = key if at_key else value
        line = bisect(starts, offset)
        problems.append(ConfigProblem(path_text(path), line, offset - starts[line - 1] + 1, finding.message))
    return problems


def path_text(path: Path) -> str:
    """``path`` as people write it, keys escaped and cut."""
    return ".".join(shown(str(part)) for part in path)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean "x"?``, or nothing. Only a known name is shown."""
    meant = nearest(word[:100].lower(), tuple(known))
    return f'; did you mean "{meant}"?' if meant else ""


@lru_cache(maxsize=100)
def nearest(word: str, known: tuple[str, ...]) -> str | None:
    """The one of ``known`` that is most like ``word``. Cached: the same slip tends to stand in thousands of rows."""
    return next(iter(get_close_matches(word, known, n=1)), None)


def one_of(names: Iterable[str]) -> str:
    """``a, b, c`` in order."""
    return ", ".join(sorted(names))
