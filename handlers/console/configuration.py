"""``/console/api/config``: the file and its state, the last states in words, what an edit would do, and writing one.

Laws: no secret is shown; what is judged is judged by the loader, from the bytes that would be written. A file is written only
where the operator allows it, over the file that the editor has seen and no other, in one step, and only if the loader takes it.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from handlers.console.base import ConsoleHandler, may_write, whole_number
from llm_proxy.console.edits import Edit, typed, weighed
from llm_proxy.console.masking import masked
from llm_proxy.console.problems import told
from llm_proxy.errors import Conflict, InvalidRequest, NotAllowed, NotFound, Unavailable
from llm_proxy.live.files import reason, rewrite
from llm_proxy.live.state.reading import MAX_CONFIG, Sources, look, reading_of
from llm_proxy.live.state.snapshot import Snapshot, describe, judge, problem_lines
from llm_proxy.wire.schema import validated

audit = logging.getLogger("llm_proxy.audit")

_PATIENCE = 1.0
#: No state has a larger number.
_NEWEST = 10**12
#: Lines of a verdict that are told.
_LINES = 200


class Weight(BaseModel):
    """Another weight of a deployment; 0 takes it out of the rotation."""

    model_config = ConfigDict(extra="forbid")

    provider: str = Field(min_length=1, max_length=500)
    model: str = Field(min_length=1, max_length=500)
    weight: float = Field(ge=0, le=1_000_000, allow_inf_nan=False)


class EditForm(BaseModel):
    """One of them: a whole text, the number of a state to go back to, or another weight."""

    model_config = ConfigDict(extra="forbid")

    text: str | None = Field(None, max_length=MAX_CONFIG)
    generation: int | None = Field(None, ge=1)
    weight: Weight | None = None

    @model_validator(mode="after")
    def _one(self) -> EditForm:
        if sum(value is not None for value in (self.text, self.generation, self.weight)) != 1:
            raise ValueError("must have one of text, generation and weight")
        return self


class PreviewForm(BaseModel):
    """``POST /console/api/config/preview``."""

    model_config = ConfigDict(extra="forbid")

    edit: EditForm


class WriteForm(PreviewForm):
    """``POST /console/api/config``: ``base`` is the ``file_hash`` that the edit was made for."""

    base: str = Field(max_length=64)


@dataclass(frozen=True, slots=True)
class Judged:
    """What the loader says of a text. ``text``: as it would be written."""

    text: str
    problems: list[str]
    warnings: list[str]
    changes: list[str]
    same: bool


class EditingHandler(ConsoleHandler):
    """What takes an edit."""

    async def edit(self, form: EditForm) -> Edit:
        """What the edit makes of the file's text. Raises ``NotFound``."""
        if form.generation is not None:
            found = await self.console.everywhere("text", form.generation, _PATIENCE)
            text = next((one for one in found if one is not None), None)
            if text is None:
                raise NotFound("that state is not remembered", param="edit.generation")
            return lambda _: str(text)
        if form.weight is not None:
            row = form.weight
            return lambda text: weighed(text, row.provider, row.model, row.weight)
        assert form.text is not None
        return partial(typed, form.text)


class ConfigHandler(EditingHandler):
    """The file on disk and the state that serves; and, by POST, another file."""

    endpoint = "/console/api/config"

    async def get(self) -> None:
        registry = self.gateway.registry
        snapshot, outcome = registry.current, registry.outcome
        told_now = await self.in_thread(_shown, registry.sources, snapshot)
        problems = [*outcome.problems, *filter(None, [registry.prompts.problem])]
        warnings = snapshot.config.warnings
        self.send_json(
            {
                "generation": snapshot.generation,
                "hash": snapshot.hash,
                "state": outcome.state,
                "noticed": {"cause": outcome.cause, "at": round(outcome.at, 3)},
                "last_good": registry.on_last_good,
                "loaded_at": round(snapshot.loaded_at, 3),
                "problems": [told(one) for one in problems[:_LINES]],
                "warnings": [told(str(one)) for one in warnings[:_LINES]],
                "writing": self.console.writes,
                "access": snapshot.access is not None,
                **told_now,
            }
        )

    head = get

    async def post(self) -> None:
        self._allow_writing()
        form = await self.beside(validated, WriteForm, await self.json_body())
        registry = self.gateway.registry
        edit = await self.edit(form.edit)
        try:
            judged = await self.in_thread(_written, registry.sources, registry.current, edit, form.base)
        except OSError as error:
            raise Unavailable(f"the file cannot be written: {reason(error)}") from error
        facts = {"key": self.facts.get("key"), "changes": judged.changes}
        audit.info("the console has written the configuration", extra=facts)
        outcome = await registry.reload("console")
        snapshot = registry.current
        self.send_json(
            {
                "state": outcome.state,
                "generation": snapshot.generation,
                "hash": snapshot.hash,
                "file_hash": outcome.file_hash,
                "changes": judged.changes,
            }
        )

    def _allow_writing(self) -> None:
        if not self.console.writes:
            raise NotAllowed("the console writes no files unless LLM_PROXY_API_CONSOLE_WRITE=1 is set")
        if not may_write(self):
            raise NotAllowed('this takes a key with "admin": "write"')


class PreviewHandler(EditingHandler):
    """What an edit would do."""

    endpoint = "/console/api/config/preview"

    async def post(self) -> None:
        form = await self.beside(validated, PreviewForm, await self.json_body())
        registry = self.gateway.registry
        edit = await self.edit(form.edit)
        data = await self.in_thread(look, registry.sources.models_config, MAX_CONFIG)
        before = data if isinstance(data, bytes) else b""
        judged = await self.in_thread(_judged, registry.sources, registry.current, edit, before)
        self.send_json(
            {
                "ok": not judged.problems,
                "problems": [told(line) for line in judged.problems[:_LINES]],
                "warnings": [told(line) for line in judged.warnings[:_LINES]],
                "changes": judged.changes,
                "base": _hash(before) if isinstance(data, bytes) else "",
                "same": judged.same,
                "text": await self.in_thread(lambda: masked(judged.text).text),
            }
        )


class GenerationsHandler(ConsoleHandler):
    """The last states, newest first."""

    endpoint = "/console/api/config/generations"

    async def get(self) -> None:
        current = self.gateway.registry.current.generation
        found = await self.console.everywhere("generations", current, _PATIENCE)
        # A worker that is younger knows less.
        rows: dict[int, dict[str, Any]] = {}
        for one in (row for rows_of_one in found for row in rows_of_one):
            known = rows.get(one["generation"])
            if known is None or known["changes"] is None:
                rows[one["generation"]] = one
        self.send_json({"generations": [rows[number] for number in sorted(rows, reverse=True)][:20]})

    head = get


class DiffHandler(ConsoleHandler):
    """The difference between two of them, in words."""

    endpoint = "/console/api/config/diff"

    async def get(self) -> None:
        pair = [whole_number(name, self.get_query_argument(name, ""), 1, _NEWEST) for name in ("from", "to")]
        found = await self.console.everywhere("changes", pair, _PATIENCE)
        changes = next((one for one in found if one is not None), None)
        if changes is None:
            raise NotFound("one of these states is not remembered")
        self.send_json({"from": pair[0], "to": pair[1], "changes": changes})

    head = get


def _shown(sources: Sources, snapshot: Snapshot) -> dict[str, Any]:
    """The texts, without secrets."""
    data = look(sources.models_config, MAX_CONFIG)
    running = snapshot.reading.data
    text = masked(data.decode(errors="replace")) if isinstance(data, bytes) else None
    other = None
    if isinstance(running, bytes) and running != data:
        other = masked(running.decode(errors="replace")).text
    return {
        "file_hash": _hash(data) if isinstance(data, bytes) else "",
        "text": text.text if text is not None else "",
        "masked": text.withheld if text is not None else 0,
        "readable": text is not None,
        "running_text": other,
    }


def _judged(sources: Sources, current: Snapshot, edit: Edit, before: bytes) -> Judged:
    """What would become of the edit. Raises ``InvalidRequest`` or ``NotFound``."""
    text = edit(before.decode(errors="replace"))
    data = text.encode()
    old = current.reading
    reading = reading_of(data, old.secrets, old.prompts, old.prompts_digest, old, old.access)
    verdict = judge(sources, reading, current)
    if verdict.snapshot is None:
        assert verdict.error is not None
        return Judged(text, problem_lines(verdict.error), [], [], data == before)
    found = verdict.snapshot
    return Judged(
        text, [], [str(one) for one in found.config.warnings], describe(current, found), data == before
    )


def _written(sources: Sources, current: Snapshot, edit: Edit, base: str) -> Judged:
    """Write it, if it is sound and the file is what ``base`` says. Raises ``Conflict``, ``InvalidRequest``, ``NotFound`` or
    ``OSError``."""
    judged: Judged | None = None

    def change(before: bytes | None) -> bytes:
        nonlocal judged
        found = "" if before is None else _hash(before)
        before = before or b""
        if found != base:
            error = Conflict("the file is not what this edit was made for", param="base")
            error.beside = {
                "file_hash": found,
                "text": masked(before.decode(errors="replace")).text,
            }
            raise error
        judged = _judged(sources, current, edit, before)
        if judged.problems:
            refusal = InvalidRequest("the loader does not take this file", code="invalid_config")
            placed = [told(line) for line in judged.problems[:_LINES]]
            refusal.beside = {"problems": [{**one, "path": one["path"] or ""} for one in placed]}
            raise refusal
        return judged.text.encode()

    rewrite(sources.models_config, MAX_CONFIG, change)
    assert judged is not None
    return judged


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


root_routes: list[tuple[str, Any]] = [
    ("/console/api/config", ConfigHandler),
    ("/console/api/config/preview", PreviewHandler),
    ("/console/api/config/generations", GenerationsHandler),
    ("/console/api/config/diff", DiffHandler),
]
