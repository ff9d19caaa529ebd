"""What is at a port, judged by what it has answered.

Laws: pure; whoever cannot be told for certain is taken as an OpenAI-compatible server only if it lists models as one does;
everybody else is reported with the reason why not, and not used. A server's words never get further than its name and
the names of its models, and those only if they are good names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
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
    what was heard is ``unused`` for ``reason``. ``host``: the address, ``127.0.0.1`` or ``[::1]``."""

    port: int
    state: State
    kind: Kind | None = None
    models: tuple[str, ...] = ()
    reason: str = ""
    host: str = "127.0.0.1"

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
    if kind is None and _ids(heard.get(MODELS)) is not None:
        usual = [one for one in kinds_at(port) if not one.asks]
        kind = usual[0] if len(usual) == 1 else Kind(f"server-{port}", "an OpenAI-compatible server")
    if kind is None:
        return AtPort(port, "unused", reason=_why_not(answers), host=host)
    return listed(port, kind, answers.get(kind.lists, "broken"), host)


def listed(
    port: int, kind: Kind, answer: Heard | str, host: str = "127.0.0.1"
) -> AtPort:
    """A server of ``kind``, by its list of models."""
    if answer in ("nothing", "silent"):
        return AtPort(port, "nothing" if answer == "nothing" else "silent", kind, host=host)
    found = _ids(answer) if isinstance(answer, Heard) else None
    if isinstance(answer, Heard) and _OURS in answer.headers:
        return AtPort(port, "unused", reason="another llm-proxy", host=host)
    if found is None:
        return AtPort(port, "unused", kind, reason=_no_list(answer), host=host)
    models = tuple(dict.fromkeys(name for name in found if _is_good(name)))[:MAX_MODELS]
    if not models:
        return AtPort(port, "unused", kind, reason="it has no models yet", host=host)
    return AtPort(port, "found", kind, models, host=host)


def _unheard(port: int, answers: Answers, host: str) -> AtPort:
    reasons = set(answers.values())
    if reasons <= {"nothing"}:
        return AtPort(port, "nothing", host=host)
    if "silent" in reasons:
        return AtPort(port, "silent", host=host)
    return AtPort(port, "unused", reason="no HTTP server, or an answer that is far too large", host=host)


def _kind(heard: Mapping[str, Heard]) -> Kind | None:
    """Who it is for certain. Those who also speak another's dialect are looked for before that other."""

    def says(path: str) -> Any:
        return heard[path].json() if path in heard else None

    rows = list(_rows(says(MODELS)))
    owners = {row.get("owned_by") for row in rows if isinstance(row.get("owned_by"), str)}
    names = {name for answer in heard.values() for name in answer.headers}
    if _has(says("/api/extra/version"), "result") and says("/api/extra/version")["result"] == "KoboldCpp":
        return kinds.KOBOLD
    if any(answer.headers.get("server", "").lower() == "llama.cpp" for answer in heard.values()):
        return kinds.LLAMA_CPP
    if _has(says("/props"), "total_slots"):
        return kinds.LLAMA_CPP
    if _has(says("/api/version"), "version") and _has(says("/api/tags"), "models"):
        return kinds.OLLAMA
    if any("compatibility_type" in row for row in _rows(says("/api/v0/models"))):
        return kinds.LM_STUDIO
    newer = says("/api/v1/models")
    if _has(newer, "models") and all("key" in row for row in _rows({"data": newer["models"]})):
        return kinds.LM_STUDIO
    if "vllm" in owners or (_has(says("/version"), "version") and any("max_model_len" in row for row in rows)):
        return kinds.SGLANG if "sglang" in owners else kinds.VLLM
    if "sglang" in owners or _has(says("/get_model_info"), "model_path"):
        return kinds.SGLANG
    if _has(says("/info"), "model_id") and _has(says("/info"), "max_total_tokens"):
        return kinds.TGI
    if "/readyz" in heard and heard["/readyz"].status == 200 and _ids(heard.get(MODELS)) is not None:
        return kinds.LOCAL_AI
    if "llama-swap" in owners:
        return kinds.LLAMA_SWAP
    if any(name.startswith("x-litellm") for name in names) or says("/health/liveliness") == "I'm alive!":
        return kinds.LITELLM
    if _ids(heard.get(kinds.DOCKER.lists)) is not None:
        return kinds.DOCKER
    if _ids(heard.get(kinds.LEMONADE.lists)) is not None:
        return kinds.LEMONADE
    return None


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
