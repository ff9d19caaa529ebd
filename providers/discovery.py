"""Finds the adapters of this package: each module that does not begin with an underscore may define some."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from types import MappingProxyType

import providers
from providers.base import BaseProvider


def discover() -> Mapping[str, BaseProvider]:
    """One instance of each adapter, by ``api_type``. Raises ``RuntimeError`` if two claim the same name."""
    found: dict[str, BaseProvider] = {}
    for info in pkgutil.iter_modules(providers.__path__):
        if info.name.startswith("_"):
            continue
        module = importlib.import_module(f"providers.{info.name}")
        for _, kind in inspect.getmembers(module, inspect.isclass):
            # Only where it is defined: an adapter that builds on another one imports that class as well.
            if kind.__module__ != module.__name__ or not issubclass(kind, BaseProvider) or not kind.api_type:
                continue
            if kind.api_type in found:
                raise RuntimeError(f"two adapters claim the api_type {kind.api_type!r}")
            found[kind.api_type] = kind()
    return MappingProxyType(found)
