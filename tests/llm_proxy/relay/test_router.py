"""What requests for a name have in common is made once, however the name is spelled in turn."""

from __future__ import annotations

from llm_proxy.live.config.catalog import Catalog
from llm_proxy.live.config.public_names import Names
from llm_proxy.relay.router import Router
from llm_proxy.wire.calls import Deployment


def test_a_view_is_made_once() -> None:
    """A model, its alias and one of its upstreams by the provider's name are asked for in turn: each keeps its view, until
    it means something else."""
    rows = [Deployment(f"p{at}", "m", "vllm", f"http://p{at}.test/v1", "up") for at in range(2)]
    router = Router()
    catalog, edited = (Catalog.of(rows, Names(aliases={"fast": "m"})) for _ in range(2))
    spelled = ("m", "fast", "p1/m")

    first, second = (
        [router.view(found) for name in spelled if (found := catalog.resolve(name))] for _ in range(2)
    )
    later = [router.view(found) for name in spelled if (found := edited.resolve(name))]

    assert [len(view.rows) for view in first] == [2, 2, 1]
    assert all(one is other for one, other in zip(first, second, strict=True))
    assert not any(one is other for one, other in zip(first, later, strict=True))
