"""What vendors ask for their models, from the data of ``genai-prices`` if that is installed (the extra ``[prices]``).

Laws: no network; the vendor is known by its address, so that a server of one's own is not mistaken for one; each model is looked up once,
since a look takes half a millisecond. Of prices with steps the first one counts.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from llm_proxy.live.access.values import Price
from llm_proxy.wire.calls import Deployment

_MILLION = 1_000_000


def prepare() -> bool:
    """Load the data, which takes a second. Blocking: for a thread. False: it is not installed."""
    found = _data() is not None
    _found("http://localhost", "-")  # the first look reads most of it
    return found


def price_of(deployment: Deployment) -> Price | None:
    """What the vendor asks; None if nobody knows."""
    return _found(deployment.api_host, deployment.model)


@lru_cache(maxsize=1)
def _data() -> Any:
    try:
        import genai_prices
    except ImportError:
        return None
    return genai_prices


@lru_cache(maxsize=4096)
def _found(host: str, model: str) -> Price | None:
    data = _data()
    if data is None or not model:
        return None
    try:
        found = data.calc_price(
            data.Usage(input_tokens=1), model_ref=model, provider_api_url=host
        ).model_price
    except (LookupError, ValueError):
        return None
    read, wrote = _mtok(found, "input_mtok"), _mtok(found, "output_mtok")
    if read is None:
        return None
    cached, written = _mtok(found, "cache_read_mtok"), _mtok(found, "cache_write_mtok")
    return Price(read, wrote or 0.0, cached, written)


def _mtok(found: Any, name: str) -> float | None:
    value = getattr(found, name, None)
    value = getattr(value, "base", value)
    return None if value is None else float(value)
