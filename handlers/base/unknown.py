"""Any path that nobody serves: a 404 in the dialect that the path belongs to, with what is near and where all of them stand.

A base URL that is told wrong is the commonest first mistake (``/v1`` twice, none, or an endpoint's path in it), and whoever
makes it reads the answer in another program's window: so it names the path that was meant.
"""

from __future__ import annotations

from handlers.base.handler import NotFoundHandler
from llm_proxy.faces.anthropic.face import AnthropicFace
from llm_proxy.faces.face import Face
from llm_proxy.wire.did_you_mean import near_path

#: Other spellings are not looked for behind longer ones: each costs up to a millisecond.
_LONGEST = 80


class NoSuchPathHandler(NotFoundHandler):
    """See the module."""

    #: Where the list of all paths is.
    everything = "GET /docs"

    def make_face(self) -> Face:
        path = self.request.path
        if "/v1/messages" in path or path.startswith("/anthropic") or self._names_anthropic():
            return AnthropicFace("")
        return self.other_face(path)

    def other_face(self, path: str) -> Face:
        """Of a path that is not Anthropic's."""
        return super().make_face()

    def _names_anthropic(self) -> bool:
        return "anthropic-version" in self.request.headers

    def message(self) -> str:
        path = self.request.path  # in its usual spelling
        near: str | None = None
        if len(path) <= _LONGEST:
            near = near_path(path, self.application.paths)  # type: ignore[attr-defined]  # a Site
        hint = f"; near it is {near}" if near else ""
        return f"there is no such path: {self.shown_path()}{hint}; {self.everything} lists all of them"
