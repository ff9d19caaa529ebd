"""What a provider's name implies: its dialect, its usual host, where its key goes, and whose rules its servers have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from llm_proxy.live.config.fields import Row
from llm_proxy.live.config.presets import PRESETS
from llm_proxy.live.config.report import ApiType
from llm_proxy.wire.calls import Secret


@dataclass(frozen=True, slots=True)
class Kind:
    """What the name of a provider implies (None or empty: nothing), and the dialects there are."""

    api_type: str | None
    api_host: str | None
    api_types: Mapping[str, ApiType]
    key_header: str = ""


def kind_of(provider: str, api_types: Mapping[str, ApiType]) -> Kind:
    """What the name ``provider`` implies; a dialect's own name wins over a preset's."""
    if provider in api_types:
        return Kind(provider, api_types[provider].default_host, api_types)
    preset = PRESETS.get(provider)
    if preset is not None and preset.api_type in api_types:
        return Kind(preset.api_type, preset.api_host, api_types, preset.key_header)
    return Kind(None, None, api_types)


def vendor_of(row: Row, provider: str, api_types: Mapping[str, ApiType]) -> str:
    """Whose servers a row's are, as far as its dialect tells vendors apart: what the row says, else what its host implies,
    else what the provider is called. A dialect's own name says nothing here, because that is what one calls any server
    of it."""
    kind = api_types[row.api_type or ""]
    if row.vendor or not kind.vendors:
        return row.vendor or ""
    named = provider if provider in kind.vendors and provider != kind.name else ""
    return kind.vendor_at(row.api_host or "") or named or kind.vendor_at("")


def credentials(row: Row, kind: Kind) -> dict[str, Any]:
    """``token`` and ``headers`` of a deployment. A key that goes into a header of its own is one of these; a header of
    the configuration wins over it."""
    headers = {name: Secret(text) for name, text in (row.headers or {}).items() if text}
    token = Secret(row.api_token) if row.api_token else None
    if kind.key_header and token is not None and row.api_type == kind.api_type:
        if kind.key_header not in map(str.lower, headers):
            headers[kind.key_header] = token
        token = None
    return {"token": token, "headers": MappingProxyType(headers)}
