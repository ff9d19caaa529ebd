"""``/console/api/prompts``: the texts of the library, and what makes the difference between two versions.

Beside ``/prompts``, which lists and renders them for whoever has a key.
"""

from __future__ import annotations

import difflib
from typing import Any

from handlers.console.base import ConsoleHandler
from llm_proxy.errors import NotFound
from llm_proxy.live.prompts.text import Prompt

_DIFF = "/diff"
#: Lines of a text that are compared: it takes the square of them.
_MOST = 5000


class PromptHandler(ConsoleHandler):
    """One text, or with ``/diff`` at the end two of them; an id may contain slashes."""

    endpoint = "/console/api/prompts/"

    async def get(self, name: str) -> None:
        if name.endswith(_DIFF):
            await self._tell_difference(name.removesuffix(_DIFF))
            return
        prompt = self._find(name, self.get_query_argument("ref", ""))
        self.send_json(
            {
                "id": prompt.id,
                "language": prompt.language,
                "ref": prompt.ref,
                "hash": prompt.hash,
                "text": prompt.text,
                "slots": list(prompt.slots),
            }
        )

    head = get

    async def _tell_difference(self, name: str) -> None:
        pair = [self._find(name, self.get_query_argument(side, "")) for side in ("from", "to")]
        lines = await self.in_thread(difference, pair[0].text, pair[1].text)
        self.send_json(
            {
                "id": name,
                "language": pair[1].language,
                "from": pair[0].ref,
                "to": pair[1].ref,
                "lines": lines,
            }
        )

    def _find(self, name: str, ref: str) -> Prompt:
        """The newest version, or the one that ``ref`` (``id@hash``, or the hash) names. Raises ``PromptNotFound``."""
        language = self.get_query_argument("language", "") or None
        version = ref.rpartition("@")[2]
        if "@" in name:
            raise NotFound("a version is named by ref", param="ref")
        default = self.gateway.settings.default_ep_language
        asked = f"{name}@{version}" if version else name
        return self.gateway.registry.current.prompts.find(asked, language, default).prompt


def difference(old: str, new: str) -> list[dict[str, str]]:
    """Line by line: ``-`` was there, ``+`` is, a blank was and is."""
    before, after = old.split("\n")[:_MOST], new.split("\n")[:_MOST]
    found: list[dict[str, str]] = []
    for what, a, b, c, d in difflib.SequenceMatcher(None, before, after).get_opcodes():
        if what == "equal":
            found += [{"op": " ", "text": line} for line in before[a:b]]
        else:
            found += [{"op": "-", "text": line} for line in before[a:b]]
            found += [{"op": "+", "text": line} for line in after[c:d]]
    return found


root_routes: list[tuple[str, Any]] = [(r"/console/api/prompts/(.+)", PromptHandler)]
