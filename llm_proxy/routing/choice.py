"""Which deployment serves a request. Pure decisions over frozen values; randomness is handed in.

A public model name may have deployments at several providers. One of the active ones is chosen for each request in
proportion to its weight; a weight of 0 takes a deployment out of the rotation without removing it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from llm_proxy.errors import ModelNotFound, NoUpstream
from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.did_you_mean import close_matches


def choose(deployments: Sequence[Deployment], point: float) -> Deployment:
    """The deployment at ``point`` (0 <= point < 1) of the weights laid end to end.

    Raises ``NoUpstream`` if no weight is left.
    """
    total = sum(deployment.weight for deployment in deployments)
    if total <= 0:
        raise NoUpstream(
            "every upstream of this model is out of rotation (weight 0)",
            retry_after="5",
        )
    rest = point * total
    for deployment in deployments:
        rest -= deployment.weight
        if rest < 0:
            return deployment
    # Only rounding leads here; a deployment of weight 0 must not be the one that profits.
    return next(d for d in reversed(deployments) if d.weight > 0)


def unknown_model(name: str, known: Iterable[str]) -> ModelNotFound:
    """The 404 for a model name, with up to three near ones."""
    meant = close_matches(name, sorted(known))
    hint = f"; did you mean {' or '.join(meant)}?" if meant else "; GET /tags lists the models"
    return ModelNotFound(f"the model '{_shown(name)}' does not exist{hint}", param="model")


def _shown(name: str) -> str:
    """A client's text in one of our messages: one printable line of bounded length."""
    text = "".join(c if c.isprintable() else "?" for c in name[:100])
    return text + ("..." if len(name) > 100 else "")
