"""The vendors of OpenAI's dialect, one frozen row for each: what it takes, refuses, and calls by another name.

A row is implied by the host, by the preset that a provider's name is, or by the ``api_type``; the field ``vendor`` of the
configuration sets it. A server that nobody knows is ``lenient``: it gets what works for most, which are programs that run
open models (vLLM, llama.cpp and the gateways before them). They ignore fields that they do not know, know no developer, and
render messages through templates that want one text of the system, in front.

Sources: each vendor's API reference and the types in its own Python client (groq 1.7, cerebras-cloud-sdk 1.91, mistralai 3.7,
openrouter 1.3, perplexityai 0.46, together 3.1, openai 3.57), and reports that quote a vendor's refusal, named beside
the row.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from urllib.parse import urlsplit

from llm_proxy.wire.calls import Deployment
from providers.openai import lenient_vendors, strict_vendors
from providers.openai.vendor import Vendor

STRICT, LENIENT = strict_vendors.STRICT, lenient_vendors.LENIENT

#: Every row, by the name that the configuration has for it.
VENDORS: Mapping[str, Vendor] = MappingProxyType(
    {
        row.name: row
        for module in (strict_vendors, lenient_vendors)
        for row in vars(module).values()
        if isinstance(row, Vendor)
    }
)
_HOSTS = {host: vendor for vendor in VENDORS.values() for host in vendor.hosts}


@lru_cache(maxsize=1000)
def of_host(api_host: str) -> Vendor | None:
    """The vendor whose servers answer at ``api_host``, a base URL; None if that is nobody known."""
    labels = (urlsplit(api_host).hostname or "").rstrip(".").split(".")
    names = (".".join(labels[at:]) for at in range(len(labels)))
    return next((_HOSTS[name] for name in names if name in _HOSTS), None)


def vendor_of(deployment: Deployment) -> Vendor:
    """The row that calls to ``deployment`` obey."""
    if deployment.vendor:
        return VENDORS.get(deployment.vendor, LENIENT)
    return implied(deployment.api_type, deployment.api_host)


def implied(api_type: str, api_host: str) -> Vendor:
    """The row that follows from a dialect and a host."""
    return VENDORS["vllm"] if api_type == "vllm" else of_host(api_host) or LENIENT
