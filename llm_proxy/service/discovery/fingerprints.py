"""What is at a port, judged by what it has answered.

Laws: pure; whoever cannot be told for certain is taken as an OpenAI-compatible server only if it lists models as one does;
everybody else is reported with the reason why not, and not used. A server's words never get further than its name and
the names of its models, and those only if they are good names.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from llm_proxy.live.config import checks
from llm_proxy.service.discovery import kinds
from llm_proxy.service.discovery.kinds import MODELS, Kind, kinds_at

#: Of one server's list so many models are taken.
MAX_MODELS = 500
#: What a gateway of ours says with each answer.
_OURS = "x-config-generation"

State = Literal["found", "nothing", "silent", "unused"]


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer to one question. ``headers`` by names in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)

    def json(self) -> Any:
        """What a good answer says, if it says something; else None."""
        if self.status != 200:
            return None
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


#: By path; or why there is none: nobody listens, or nobody answers in time.
Answers = Mapping[str, Heard | Literal["nothing", "silent", "large", "broken"]]


@dataclass(frozen=True, slots=True)
class AtPort:
    """``state``: ``found`` (``kind`` and ``models`` say what), ``nothing`` listens, somebody listens and is ``silent``, or
    what was heard is ``unused`` for ``reason``; ``waiting``: that may change soon. ``host``: the address, ``127.0.0.1`` or
    ``[::1]``."""

    port: int
    state: State
    kind: Kind | None = None
    models: tuple[str, ...] = ()
    reason: str = ""
    host: str = "127.0.0.1"
    waiting: bool = False

    @property
    def address(self) -> str:
        """As people write it."""
        return f"{self.host}:{self.port}"


def recognise(port: int, answers: Answers, host: str = "127.0.0.1") -> AtPort:
    """What is there."""
    heard = {path: answer for path, answer in answers.items() if isinstance(answer, Heard)}
    if not heard:
        return _unheard(port, answers, host)
    if any(_OURS in answer.headers for answer in heard.values()):
        return AtPort(port, "unused", reason="another llm-proxy", host=host)
    kind = _kind(heard)
    if (
        kind is None and "silent" in answers.values()
    ):  # on a busy machine: what was not said may tell who it is
        return AtPort(port, "silent", host=host)
    if kind is None and _ids(heard.get(MODELS)) is not None:
        usual = [one for one in kinds_at(port) if not one.asks]
        kind = usual[0] if len(usual) == 1 else Kind(f"server-{port}", "an OpenAI-compatible server")
    if kind is None:
        return AtPort(port, "unused", reason=_why_not(answers), host=host)
    return listed(port, kind, answers.get(kind.lists, "broken"), host)


def listed(port: int, kind: Kind, answer: Heard | str, host: str = "127.0.0.1") -> AtPort:
    """A server of ``kind``, by its list of models."""
    if answer in ("nothing", "silent"):
        return AtPort(port, "nothing" if answer == "nothing" else "silent", kind, host=host)
    found = _ids(answer) if isinstance(answer, Heard) else None
    if isinstance(answer, Heard) and _OURS in answer.headers:
        return AtPort(port, "unused", reason="another llm-proxy", host=host)
    if found is None:
        waiting = isinstance(answer, Heard) and answer.status == 503
        return AtPort(port, "unused", kind, reason=_no_list(answer), host=host, waiting=waiting)
    models = tuple(dict.fromkeys(name for name in found if _is_good(name)))[:MAX_MODELS]
    if not models:
        return AtPort(port, "unused", kind, reason="it has no models yet", host=host, waiting=True)
    return AtPort(port, "found", kind, models, host=host)


def _unheard(port: int, answers: Answers, host: str) -> AtPort:
    reasons = set(answers.values())
    if reasons <= {"nothing"}:
        return AtPort(port, "nothing", host=host)
    if "silent" in reasons:
        return AtPort(port, "silent", host=host)
    return AtPort(port, "unused", reason="no HTTP server, or an answer that is far too large", host=host)


class _Signs:
    """What a server's answers say, for those who know what to look for."""

    def __init__(self, heard: Mapping[str, Heard]) -> None:
        self._heard = heard
        self.rows = list(_rows(self.says(MODELS)))
        self.owners = {row.get("owned_by") for row in self.rows if isinstance(row.get("owned_by"), str)}
        self.headers = {name for answer in heard.values() for name in answer.headers}
        self.servers = {answer.headers.get("server", "").lower() for answer in heard.values()}

    def says(self, path: str) -> Any:
        """A good answer in JSON, else None."""
        return self._heard[path].json() if path in self._heard else None

    def has(self, path: str, *names: str) -> bool:
        """Whether such an answer is an object with these members."""
        return all(_has(self.says(path), name) for name in names)

    def lists(self, path: str) -> bool:
        """Whether models are listed there."""
        return _ids(self._heard.get(path)) is not None

    def is_ready(self, path: str) -> bool:
        """Whether the answer is good, whatever it says."""
        return path in self._heard and self._heard[path].status == 200


#: In this order: those who also speak another's dialect come before that other.
_SIGNS: tuple[tuple[Kind, Callable[[_Signs], bool]], ...] = (
    (kinds.KOBOLD, lambda s: s.has("/api/extra/version", "result", "version")),
    (kinds.LLAMA_CPP, lambda s: "llama.cpp" in s.servers or s.has("/props", "total_slots")),
    (kinds.LLAMA_CPP, lambda s: "llamacpp" in s.owners),
    (kinds.OLLAMA, lambda s: s.has("/api/version", "version") and s.has("/api/tags", "models")),
    (kinds.LM_STUDIO, lambda s: any("compatibility_type" in row for row in _rows(s.says("/api/v0/models")))),
    (kinds.LM_STUDIO, lambda s: _has_keys(s.says("/api/v1/models"))),
    (kinds.SGLANG, lambda s: "sglang" in s.owners or s.has("/get_model_info", "model_path")),
    (kinds.VLLM, lambda s: "vllm" in s.owners),
    (
        kinds.VLLM,
        lambda s: s.has("/version", "version") and any("max_model_len" in row for row in s.rows),
    ),
    (kinds.TGI, lambda s: s.has("/info", "model_id", "max_total_tokens")),
    (kinds.LLAMA_SWAP, lambda s: "llama-swap" in s.owners),
    (
        kinds.LITELLM,
        lambda s: (
            any(name.startswith("x-litellm") for name in s.headers)
            or s.says("/health/liveliness") == "I'm alive!"
        ),
    ),
    (kinds.LOCAL_AI, lambda s: s.is_ready("/readyz") and s.lists(MODELS)),
    (kinds.DOCKER, lambda s: s.lists(kinds.DOCKER.lists)),
    (kinds.LEMONADE, lambda s: s.lists(kinds.LEMONADE.lists)),
)


def _kind(heard: Mapping[str, Heard]) -> Kind | None:
    """Who it is for certain."""
    signs = _Signs(heard)
    return next((kind for kind, tells in _SIGNS if tells(signs)), None)


def _has_keys(value: Any) -> bool:
    """Whether that is LM Studio's newer list of models."""
    models = value.get("models") if isinstance(value, dict) else None
    return isinstance(models, list) and all(isinstance(row, dict) and "key" in row for row in models)


def _has(value: Any, name: str) -> bool:
    return isinstance(value, dict) and value.get(name) is not None


def _rows(value: Any) -> Iterator[dict[str, Any]]:
    """The entries of a list in OpenAI's form."""
    data = value.get("data") if isinstance(value, dict) else None
    return (row for row in data if isinstance(row, dict)) if isinstance(data, list) else iter(())


def _ids(answer: Heard | str | None) -> list[str] | None:
    """The names that a list has, OpenAI's or Ollama's; None if it is none."""
    value = answer.json() if isinstance(answer, Heard) else None
    if not isinstance(value, dict):
        return None
    rows, key = (value["data"], "id") if "data" in value else (value.get("models"), "model")
    if rows is None and "data" in value:  # Docker Model Runner and LocalAI, when they have none
        return []
    if not isinstance(rows, list):
        return None
    found = [row.get(key, row.get("name")) for row in rows if isinstance(row, dict)]
    return [name for name in found if isinstance(name, str)] if len(found) == len(rows) else None


def _is_good(name: str) -> bool:
    """Whether it can be a public name: no pattern, nothing that means something else in the configuration."""
    if "*" in name or name.startswith("$") or name in ("defaults", "options", "headers", "timeouts"):
        return False
    try:
        return bool(checks.name(name))
    except ValueError:
        return False


def _why_not(answers: Answers) -> str:
    answer = answers.get(MODELS)
    if isinstance(answer, Heard) and answer.status == 200:
        return f"no model server: what it answers to GET {MODELS} is no list of models"
    return _no_list(answer if answer is not None else "broken")


def _no_list(answer: Heard | str) -> str:
    if not isinstance(answer, Heard):
        words = {"silent": "does not answer within 300 ms", "large": "answers with more than 256 KiB"}
        return f"GET {MODELS} {words.get(answer, 'has no sound answer')}"
    if answer.status in (401, 403):
        return "it wants a key, which only a configuration of your own can have"
    if answer.status == 503:
        return "it is not ready yet (503)"
    if answer.status == 200:
        return "its list of models cannot be read"
    return f"no model server: it answers {answer.status} to GET {MODELS}"
