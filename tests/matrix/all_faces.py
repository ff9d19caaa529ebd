"""All faces, in the order of the page."""

from __future__ import annotations

from collections.abc import Mapping

from tests.matrix.faces import Anthropic, Face, Ollama, OpenAI
from tests.matrix.faces_gemini import Gemini

_ALL: tuple[Face, ...] = (OpenAI(), Ollama(), Anthropic(), Gemini())
FACES: Mapping[str, Face] = {face.name: face for face in _ALL}
