"""``GET /status``: what runs now, and whether it is what lies on disk. No hosts, no tokens, no paths."""

from __future__ import annotations

import time
from typing import Any

from handlers.base import BaseHandler
from llm_proxy import __version__
from llm_proxy import log as logs
from llm_proxy.scoreboard import differ


class StatusHandler(BaseHandler):
    """State of the configuration, of the watcher, of the log, and of the process."""

    endpoint = "/status"
    during_drain = True

    def get(self) -> None:
        self.set_header("Cache-Control", "no-store")
        self.send_json(self._report())

    head = get

    def _report(self) -> dict[str, Any]:
        gateway, snapshot = self.gateway, self.snapshot
        outcome = gateway.registry.outcome
        workers = gateway.workers()
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
            "draining": gateway.draining,
            "file_hash": outcome.file_hash,
            "last_good": gateway.registry.on_last_good,
            "noticed": {"cause": outcome.cause, "at": round(outcome.at, 3)},
            "watcher": gateway.watcher_report(),
            "prompts": prompt_list(snapshot.prompts.prompts),
            "warnings": [str(warning) for warning in snapshot.config.warnings],
            "models": len(snapshot.models),
            "running": len(gateway.running),
            "log": {"dropped": logs.counters.dropped, "failed": logs.counters.failed},
            "workers": [facts.shown() for facts in workers],
        }


def prompt_list(prompts: Any) -> list[dict[str, Any]]:
    """Each prompt id with its languages and their hashes."""
    rows: dict[str, dict[str, str]] = {}
    for (name, language), prompt in sorted(prompts.items()):
        rows.setdefault(name, {})[language] = prompt.hash[:8]
    return [{"id": name, "languages": languages} for name, languages in rows.items()]


routes: list[tuple[str, Any]] = [("/status", StatusHandler)]
