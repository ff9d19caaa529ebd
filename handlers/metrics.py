"""``GET /metrics``: what Prometheus reads, of all processes of the service.

Laws: made beside the event loop unless it is short. Open to whoever reaches a gateway that listens on this machine alone,
and on the port that is for it; elsewhere it takes a key of an administrator. No secret, no text of a prompt or an answer, and
no name that a client has made up is in it.
"""

from __future__ import annotations

from typing import Any, ClassVar

from handlers.base.gate import Needs
from handlers.base.handler import BaseHandler
from handlers.base.measuring import known_models
from llm_proxy.errors import NotAllowed
from llm_proxy.telemetry.metrics.page import OPENMETRICS, TEXT, wants_openmetrics

#: About the bytes that a model takes on the page, and how many models are told at once.
_MODEL, _FEW = 2048, 20


class MetricsHandler(BaseHandler):
    """Text, or OpenMetrics where that is preferred."""

    endpoint = "/metrics"
    during_drain = True
    probe = True
    needs: ClassVar[Needs] = "admin"
    #: Whether the port itself says who may ask.
    own_port: ClassVar[bool] = False

    async def get(self) -> None:
        if not (self.own_port or self.gateway.local or self.grant is not None):
            raise NotAllowed(
                "metrics are told to this machine alone here; LLM_PROXY_API_METRICS_PORT gives them a port of their own"
            )
        openmetrics = wants_openmetrics(self.request.headers.get("Accept") or "")
        self.set_header("Content-Type", OPENMETRICS if openmetrics else TEXT)
        self.set_header("Cache-Control", "no-store")
        gateway = self.gateway
        gateway.metering.sheets.ask()
        gateway.refresh()
        snapshot = gateway.registry.current
        alive = {report.pid for report in gateway.reports()}

        def make() -> bytes:
            return gateway.metering.page(known_models(snapshot), alive, openmetrics=openmetrics)

        count = len(snapshot.config.deployments)
        if gateway.metering.is_short and count <= _FEW:
            self.finish(make())
        else:
            self.finish(await self.offloaded(count * _MODEL, make, paid=True))

    head = get


class OwnPortMetricsHandler(MetricsHandler):
    """The same on a port of its own."""

    needs = "nothing"
    own_port = True


#: With a slash at the end too, which some scrapers write.
_PATH = "/metrics/?"
root_routes: list[tuple[str, Any]] = [(_PATH, MetricsHandler)]
routes: list[tuple[str, Any]] = root_routes
port_routes: list[tuple[str, Any]] = [(_PATH, OwnPortMetricsHandler)]
