"""A server that a source names, and what it is called here: its provider's name, and the defaults that this name does not imply."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from llm_proxy.live.config import checks
from llm_proxy.live.config.implied import Kind, kind_of
from llm_proxy.live.config.presets import PRESETS
from llm_proxy.live.config.report import ApiType
from providers.discovery import discover

#: Variables in which vendors' own clients look for a key, where it is not the name with _API_KEY.
_VARIABLES = {
    "huggingface": "HF_TOKEN",
    "azure": "AZURE_OPENAI_API_KEY",
    "github": "GITHUB_TOKEN",
    "zai": "ZAI_API_KEY",
}
_LOCAL = ("127.0.0.1", "localhost", "0.0.0.0", "::1", "host.docker.internal")  # noqa: S104 (nothing is bound)
_PORTS = {11434: "ollama", 1234: "lmstudio"}


@dataclass(frozen=True, slots=True)
class Upstream:
    """``kind``: a dialect or a known vendor, by the name that it has here. ``host``: None where the kind implies it. ``token``: a reference,
    never a key. ``more``: further defaults, as pairs."""

    kind: str
    host: str | None = None
    token: str | None = None
    more: tuple[tuple[str, Any], ...] = ()
    called: str = ""

    @property
    def name(self) -> str:
        """What its provider is called: the kind, or what its address says where the kind is only a dialect."""
        if self.called:
            return self.called
        if self.host is None or self.kind not in ("openai", "vllm", "anthropic", "gemini"):
            return self.kind
        return name_of_host(self.host) or self.kind


def is_address(text: str) -> bool:
    """Whether the configuration takes it as the base URL of a server; with a variable of the environment in it, which is filled later, too."""
    try:
        checks.api_host(re.sub(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}", "variable", text))
    except ValueError:
        return False
    return re.match(r"https?://", text) is not None


@cache
def kind(name: str) -> Kind:
    """What the name implies; of an unknown one nothing."""
    return kind_of(name, api_types())


@cache
def api_types() -> dict[str, ApiType]:
    """What the loader must know of each adapter; the demo model is none that a source could name."""
    return {
        name: ApiType(
            name,
            adapter.default_host or ("http://127.0.0.1" if name == "demo" else None),
            adapter.vendors,
            adapter.vendor_at,
        )
        for name, adapter in discover().items()
    }


def host_of(name: str) -> str | None:
    """The usual host of a kind; None where it has none."""
    return kind(name).api_host


def defaults_of(upstream: Upstream, name: str) -> dict[str, Any]:
    """What must be said of a provider of this name."""
    own, meant = kind(name), kind(upstream.kind)
    host = upstream.host or meant.api_host
    found: dict[str, Any] = {}
    if own.api_type != meant.api_type:
        found["api_type"] = meant.api_type or "openai"
    if host != own.api_host:
        found["api_host"] = host
    if upstream.token:
        if meant.key_header and not own.key_header:
            found["headers"] = {meant.key_header: upstream.token}
        else:
            found["api_token"] = upstream.token
    for key, value in upstream.more:
        found[key] = {**found[key], **value} if isinstance(value, dict) and key in found else value
    return found


def kind_at(host: str, otherwise: str = "openai") -> str:
    """Whose server is there, as far as its address says."""
    parts = urlsplit(host)
    for name, preset in PRESETS.items():
        if (
            preset.api_host
            and urlsplit(preset.api_host).hostname == parts.hostname
            and parts.hostname not in _LOCAL
        ):
            return name
    if (parts.hostname or "").endswith(".openai.azure.com"):
        return "azure"
    for name in ("openai", "anthropic", "gemini"):
        if urlsplit(kind(name).api_host or "").hostname == parts.hostname:
            return name
    if parts.hostname in _LOCAL and parts.port in _PORTS:
        return _PORTS[parts.port]
    return otherwise


def name_of_host(host: str) -> str:
    """A provider's name made of an address: what is left of ``api.NAME.com``, of ``gpu-box:8000``; of loopback the port."""
    parts = urlsplit(host)
    label = parts.hostname or ""
    try:
        port = parts.port
    except ValueError:
        return ""
    if label in _LOCAL:
        return f"local-{port or 80}"
    if re.fullmatch(r"[\d.:a-f]+", label):
        return re.sub(r"[^\w-]+", "-", label) + (f"-{port}" if port else "")
    words = [word for word in label.split(".") if word not in ("api", "www", "v1", "inference")]
    return re.sub(r"[^\w-]+", "-", words[0]) if words else ""


def variable_of(name: str) -> str:
    """The variable in which a provider's key is looked for."""
    if name in _VARIABLES:
        return _VARIABLES[name]
    return re.sub(r"\W+", "_", name.removesuffix("-2")).upper().strip("_") + "_API_KEY"


def same_host(host: str | None, kind_name: str) -> str | None:
    """``host``, or None where it is what the kind implies anyway."""
    usual = kind(kind_name).api_host
    return None if host is None or (usual and host.rstrip("/") == usual.rstrip("/")) else host.rstrip("/")
