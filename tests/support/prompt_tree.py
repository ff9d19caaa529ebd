"""A prompt directory in a test: written from a mapping of paths to texts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from llm_proxy.live.prompts.fence import Fence
from llm_proxy.live.prompts.library import PromptSet, load_prompts


def write(directory: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write ``files`` (paths like ``en/greeting.prompt``) below ``directory``; return the directory."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return directory


def load(directory: Path, previous: PromptSet | None = None, fence: Fence | None = None) -> PromptSet:
    """The set, without its digest."""
    return load_prompts(directory, previous, fence)[0]


def texts(found: PromptSet) -> dict[str, str]:
    """``{"en/greeting": text}`` of everything that is served."""
    return {f"{prompt.language}/{prompt.id}": prompt.text for prompt in found.prompts.values()}


def problems(found: PromptSet) -> dict[str, str]:
    """``{path: message}``, one problem for each path."""
    assert len(found.problems) == len({problem.path for problem in found.problems})
    return {problem.path: problem.message for problem in found.problems}
