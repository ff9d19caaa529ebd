"""Fixtures with the real llama.cpp server. Where it cannot run its tests are skipped, saying why; in CI they fail."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.support.llamacpp import REQUIRED, CannotRun, LlamaCpp, server
from tests.support.secrets import UPSTREAM_KEY

#: Layers of the slow model: some 160 tokens a second, for tests that pace, queue and leave.
SLOW = 400
Start = Callable[..., AbstractContextManager[LlamaCpp]]


@pytest.fixture(scope="session")
def start_llamacpp(tmp_path_factory: pytest.TempPathFactory) -> Start:
    """``with start_llamacpp(layers=1, api_key="", ...) as running``: a server of the test's own, to kill perhaps.

    The model file with so many layers is written once. Options are those of ``tests.support.llamacpp.server``.
    """
    folder = tmp_path_factory.mktemp("models")

    @contextmanager
    def start(layers: int = 1, **options: Any) -> Iterator[LlamaCpp]:
        with ExitStack() as stack:
            try:
                running = stack.enter_context(server(_model(folder, layers), **options))
            except CannotRun as reason:
                _missing(reason)
            yield running

    return start


@pytest.fixture(scope="session")
def llamacpp(start_llamacpp: Start) -> Iterator[LlamaCpp]:
    """The quick server: thousands of tokens a second, two slots of 4,096 tokens, model ``tiny``."""
    with start_llamacpp(context=8192) as running:
        yield running


@pytest.fixture(scope="session")
def llamacpp_slow(start_llamacpp: Start) -> Iterator[LlamaCpp]:
    """The same answers at some 160 tokens a second."""
    with start_llamacpp(layers=SLOW) as running:
        yield running


@pytest.fixture(scope="session")
def llamacpp_locked(start_llamacpp: Start) -> Iterator[LlamaCpp]:
    """A server that wants ``UPSTREAM_KEY``."""
    with start_llamacpp(api_key=UPSTREAM_KEY) as running:
        yield running


@pytest.fixture(scope="session")
def llamacpp_embedding(start_llamacpp: Start) -> Iterator[LlamaCpp]:
    """A server started for embeddings."""
    with start_llamacpp(embedding=True) as running:
        yield running


def _model(folder: Path, layers: int) -> Path:
    path = folder / f"tiny-{layers}.gguf"
    if not path.exists():
        try:
            from tests.support.tiny_model import write_model

            write_model(path, layers=layers)
        except ImportError as error:
            raise CannotRun(f"its model cannot be written: {error}") from error
    return path


def _missing(reason: CannotRun) -> NoReturn:
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(f"{REQUIRED}=1, but the llama.cpp server cannot run: {reason}")
    pytest.skip(f"the llama.cpp server cannot run here: {reason}")
