"""Finds the adapters: each module of this package may define some, and of a sub-package its module ``provider``."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from types import MappingProxyType, ModuleType

import providers
from providers.base import BaseProvider


def discover() -> Mapping[str, BaseProvider]:
    """One instance of each adapter, by ``api_type``. Raises ``RuntimeError`` if two claim the same name."""
    found: dict[str, BaseProvider] = {}
    for module in _modules():
        for _, kind in inspect.getmembers(module, inspect.isclass):
            # Only where it is defined: an adapter that builds on another one imports that class as well.
            if kind.__module__ != module.__name__ or not issubclass(kind, BaseProvider) or not kind.api_type:
                continue
            if kind.api_type in found:
                raise RuntimeError(f"two adapters claim the api_type {kind.api_type!r}")
            found[kind.api_type] = kind()
    return MappingProxyType(found)


def _modules() -> Iterator[ModuleType]:
    for info in pkgutil.iter_modules(providers.__path__):
        name = f"providers.{info.name}" + (".provider" if info.ispkg else "")
        if not info.name.startswith("_") and find_spec(name) is not None:
            yield importlib.import_module(name)
