"""``/prompts``: what the library holds, and what a prompt would say, without calling any model.

Laws: ids are looked up in the loaded set, so no path of a request ever reaches the file system.
"""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict

from handlers.base.handler import BaseHandler
from llm_proxy.errors import NotFound, PromptNotFound
from llm_proxy.live.prompts.library import PromptSet
from llm_proxy.wire.schema import Open, Variables, validated

_RENDER = "/render"


class RenderRequest(Open):
    """``POST /prompts/<id>/render``."""

    model_config = ConfigDict(extra="forbid")

    language: str | None = None
    prompt_vars: Variables = {}


class PromptsHandler(BaseHandler):
    """``GET /prompts``."""

    endpoint = "/prompts"

    async def get(self) -> None:
        prompts = self.snapshot.prompts
        await self.send_long(len(prompts.prompts), lambda: library(prompts))

    head = get


class PromptHandler(BaseHandler):
    """``GET /prompts/<id>`` and ``POST /prompts/<id>/render``; an id may contain slashes."""

    endpoint = "/prompts/"

    def get(self, name: str) -> None:
        prompts = self.snapshot.prompts
        if name not in prompts.languages:
            prompts.find(name, None, self._default())  # the 404 with near names
            raise PromptNotFound("a version is not listed by itself; leave out the '@'", param="prompt")
        self.send_json(listed(prompts, name) | {"versions": versions(prompts, name)})

    head = get

    async def post(self, name: str) -> None:
        if not name.endswith(_RENDER):
            raise NotFound("there is no such path; POST /prompts/<id>/render renders a prompt")
        form = await self.beside(validated, RenderRequest, await self.json_body() if self._size else {})
        found = self.snapshot.prompts.find(name.removesuffix(_RENDER), form.language, self._default())
        prompt = found.prompt
        text = await self.beside(prompt.render, form.prompt_vars)
        self.send_json(
            {
                "id": prompt.id,
                "language": found.language,
                "ref": prompt.ref,
                "hash": prompt.hash,
                "text": text,
            }
        )

    def _default(self) -> str:
        return self.gateway.settings.default_ep_language


def library(prompts: PromptSet) -> dict[str, Any]:
    """All ids, and what is wrong in the directory."""
    return {
        "prompts": [listed(prompts, name) for name in prompts.languages],
        "problems": [{"path": p.path, "message": p.message} for p in prompts.problems],
    }


def listed(prompts: PromptSet, name: str) -> dict[str, Any]:
    """One id with its languages; texts are shown by ``render`` only."""
    languages = {language: prompts.prompts[name, language] for language in prompts.languages[name]}
    return {
        "id": name,
        "languages": {
            language: {"hash": prompt.hash, "ref": prompt.ref, "slots": list(prompt.slots)}
            for language, prompt in languages.items()
        },
    }


def versions(prompts: PromptSet, name: str) -> dict[str, list[str]]:
    """The references that can be pinned, newest first, by language."""
    found: dict[str, list[str]] = {}
    for (known, language), old in sorted(prompts.versions.items()):
        if known == name:
            found[language] = [prompt.ref for prompt in old]
    return found


routes: list[tuple[str, Any]] = [("/prompts", PromptsHandler), (r"/prompts/(.+)", PromptHandler)]
