"""``GET /status``: what runs now, and whether it is what lies on disk. ``GET /status/models``: the same in every detail,
for comparison. No hosts, no tokens, no paths: see ``llm_proxy.live.state.dry_run``."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import time
from typing import Any

from handlers.base.handler import BaseHandler
from llm_proxy import __version__
from llm_proxy.live.state.dry_run import tell
from llm_proxy.telemetry import log as logs
from llm_proxy.telemetry.process_report import differ
from llm_proxy.wire.sse import dumps

#: A proxy on this machine speaks for somebody elsewhere, and usually says so.
_FORWARDED = ("Forwarded", "Via", "X-Forwarded-For", "X-Real-Ip")


class StatusHandler(BaseHandler):
    """State of the configuration, of the watcher, of the log, and of the process."""

    endpoint = "/status"
    during_drain = True

    def get(self) -> None:
        self.set_header("Cache-Control", "no-store")
        self.send_json(self._report())

    head = get

    def _report(self) -> dict[str, Any]:
        gateway = self.gateway
        # Not the request's own: since it began an edit may have come, and all that is told here is of one moment.
        snapshot = gateway.registry.current
        outcome = gateway.registry.outcome
        workers = gateway.reports()
        mixed = differ(workers)
        now = time.time()
        return {
            "state": "mixed" if mixed else outcome.state,
            "mixed": mixed,
            "problems": list(outcome.problems),
            "generation": snapshot.generation,
            "hash": snapshot.hash,
            "loaded_at": round(snapshot.loaded_at, 3),
            "version": __version__,
            "uptime": round(now - gateway.started_at, 3),
            "draining": gateway.stopping,
            "lame_duck": gateway.lame_duck,
            "file_hash": outcome.file_hash,
            "last_good": gateway.registry.on_last_good,
            "noticed": {"cause": outcome.cause, "at": round(outcome.at, 3)},
            "watcher": gateway.watcher_report(),
            "prompts": prompt_list(snapshot.prompts.prompts),
            "warnings": [str(warning) for warning in snapshot.config.warnings],
            "models": len(snapshot.models),
            "running": len(gateway.running),
            "log": logs.report(),
            "ollama": gateway.ollama_url,
            "tls": gateway.tls_report(),
            "workers": [facts.shown() for facts in workers],
        }


class RunningHandler(BaseHandler):
    """``GET /status/models``: every deployment and prompt version that runs, told so that ``llm-proxy check --against``
    can compare an edit with it."""

    endpoint = "/status/models"
    during_drain = True

    async def get(self) -> None:
        self.set_header("Cache-Control", "no-store")
        salt = secrets.token_hex(16) if self._is_local() else ""
        # Thousands of models are megabytes.
        body = await asyncio.get_running_loop().run_in_executor(
            None, lambda: dumps(tell(self.snapshot, salt))
        )
        await self.finish(body)

    head = get

    def _is_local(self) -> bool:
        """Whether the caller is on this machine, as far as one can tell."""
        if any(name in self.request.headers for name in _FORWARDED):
            return False
        try:
            return ipaddress.ip_address(self.request.remote_ip or "").is_loopback
        except ValueError:
            return False


def prompt_list(prompts: Any) -> list[dict[str, Any]]:
    """Each prompt id with its languages and their hashes."""
    rows: dict[str, dict[str, str]] = {}
    for (name, language), prompt in sorted(prompts.items()):
        rows.setdefault(name, {})[language] = prompt.hash[:8]
    return [{"id": name, "languages": languages} for name, languages in rows.items()]


routes: list[tuple[str, Any]] = [("/status", StatusHandler), ("/status/models", RunningHandler)]
