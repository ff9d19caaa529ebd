"""Is the process alive, and who is it. Touches nothing that could block."""

from __future__ import annotations

from typing import Any

from handlers.base.handler import BaseHandler
from llm_proxy import __version__


class PingHandler(BaseHandler):
    """200 ``pong``, or 503 ``draining`` once the process is told to stop."""

    endpoint = "/ping"
    during_drain = True

    def get(self) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        if self.gateway.stopping:
            self.set_status(503)
            self.finish("draining")
            return
        self.finish("pong")

    head = get


class HealthHandler(BaseHandler):
    """``GET /health``, where the clients of vLLM and llama.cpp look, and ``/api/hello``, where Claude Code does. The same
    as ``/ping``, as JSON."""

    endpoint = "/health"
    during_drain = True

    def get(self) -> None:
        self.set_header("Cache-Control", "no-store")
        draining = self.gateway.stopping
        self.send_json({"status": "draining" if draining else "ok"}, 503 if draining else 200)

    head = get


class FrontHandler(BaseHandler):
    """``GET`` and ``HEAD /``: who is here, and where its paths stand."""

    endpoint = "/"

    def get(self) -> None:
        prefix = self.gateway.settings.ep_prefix
        bases = {"openai": "/v1", "anthropic": "/", "ollama": "/ollama"}
        self.send_json(
            {
                "service": "llm-proxy-api",
                "version": __version__,
                "documentation": "/docs",
                "openapi": "/openapi.json",
                "status": f"{prefix}/status",
                "models": "/v1/models",
                "base_urls": bases,
            }
        )

    head = get


#: With the usual prefix the latter is ``/api/hello``.
routes: list[tuple[str, Any]] = [("/ping", PingHandler), ("/hello", HealthHandler)]
root_routes: list[tuple[str, Any]] = [
    ("/", FrontHandler),
    ("/health", HealthHandler),
]
