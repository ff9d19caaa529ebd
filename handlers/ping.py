"""Is the process alive, and who is it. Touches nothing that could block."""

from __future__ import annotations

from typing import Any

from handlers.base.handler import BaseHandler
from llm_proxy import __version__
from llm_proxy.errors import Draining


class PingHandler(BaseHandler):
    """200 ``pong``, or 503 ``draining`` once the process is told to stop."""

    endpoint = "/ping"
    during_drain = True
    probe = True
    needs = "nothing"

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
    """``GET /health``, where the clients of vLLM and llama.cpp look, ``/healthz`` and ``/readyz``, where orchestrators do, and
    ``/api/hello``, where Claude Code does. The same as ``/ping``, as JSON."""

    endpoint = "/health"
    during_drain = True
    probe = True
    needs = "nothing"  # orchestrators and load balancers have no key, and learn what /ping tells

    def get(self) -> None:
        self.set_header("Cache-Control", "no-store")
        draining = self.gateway.stopping
        self.send_json({"status": "draining" if draining else "ok"}, 503 if draining else 200)

    head = get

    def options(self) -> None:
        if self.gateway.stopping:
            self.get()
        else:
            self.tell_methods()


class AliveHandler(BaseHandler):
    """``GET /livez``, where orchestrators ask whether to kill the process: not while it drains."""

    endpoint = "/livez"
    during_drain = True
    probe = True
    needs = "nothing"

    def get(self) -> None:
        self.set_header("Cache-Control", "no-store")
        self.send_json({"status": "ok"})

    head = get

    def options(self) -> None:
        self.tell_methods()


class FrontHandler(BaseHandler):
    """``GET`` and ``HEAD /``: a browser is sent to the console, everybody else is told in a line who is here. ``OPTIONS /`` is how
    HAProxy asks whether anybody is."""

    endpoint = "/"
    linkable = True
    needs = "nothing"  # what is told here stands on the console's own pages

    def get(self) -> None:
        self.set_header("Vary", "Accept")
        if self.gateway.console is not None and "text/html" in self.request.headers.get("Accept", "").lower():
            self.set_header("Location", "console")  # relative: a proxy may have taken a prefix away
            self.set_header("Cache-Control", "no-store")
            self.set_status(302)
            self.clear_header("Content-Type")
            self.finish()
            return
        outside = self.verdict.asked.prefix if self.verdict else ""
        pages = f"{outside}/docs" + (f", {outside}/console" if self.gateway.console is not None else "")
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(
            f"llm-proxy-api {__version__}: an LLM gateway; base URL for OpenAI {outside}/v1, Anthropic {outside or '/'}, "
            f"Ollama {outside}/ollama; see {pages}\n".encode()
        )

    head = get

    def options(self) -> None:
        if self.gateway.stopping:
            self.fail(Draining("the gateway is stopping", retry_after="1"))
        else:
            self.tell_methods()


#: With the usual prefix the latter is ``/api/hello``.
routes: list[tuple[str, Any]] = [("/ping", PingHandler), ("/hello", HealthHandler)]
root_routes: list[tuple[str, Any]] = [
    ("/", FrontHandler),
    ("/ping", PingHandler),
    ("/health", HealthHandler),
    ("/healthz", HealthHandler),
    ("/readyz", HealthHandler),
    ("/livez", AliveHandler),
]
#: Where balancers and orchestrators look, on any port.
health_routes: list[tuple[str, Any]] = root_routes[1:]
