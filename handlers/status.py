"""``GET /status``: what runs now, and whether it is what lies on disk. ``GET /status/models``: the same in every detail,
for comparison. No hosts, no tokens, no paths: see ``llm_proxy.live.state.dry_run``."""

from __future__ import annotations

import ipaddress
import secrets
import time
from collections import Counter
from typing import Any

from handlers.base.handler import BaseHandler
from handlers.base.measuring import known_models, label_of
from llm_proxy import __version__
from llm_proxy.live.state.dry_run import tell
from llm_proxy.live.state.registry import Snapshot
from llm_proxy.relay.upstream_report import standing_of
from llm_proxy.telemetry import log as logs
from llm_proxy.telemetry.process_report import differ

#: A proxy on this machine speaks for somebody elsewhere, and usually says so.
_FORWARDED = ("Forwarded", "Via", "X-Forwarded-For", "X-Real-Ip")


#: Series that take long to add up weigh as much as so many entries of a list.
_MANY = 10_000


class StatusHandler(BaseHandler):
    """State of the configuration, of the watcher, of the log, and of the process."""

    endpoint = "/status"
    during_drain = True

    async def get(self) -> None:
        self.set_header("Cache-Control", "no-store")
        if self.grant is not None and not self.grant.terms.admin:
            self.send_json({"state": "draining" if self.gateway.stopping else "ok"})  # what /ping says
            return
        # Not the request's own: since it began an edit may have come, and all that is told here is of one moment.
        snapshot = self.gateway.registry.current
        report = self._report(snapshot)

        def make() -> dict[str, Any]:
            report["inside"] = self.gateway.metering.inside(known_models(snapshot))
            report["prompts"] = prompt_list(snapshot.prompts.prompts)
            report["warnings"] = [str(warning) for warning in snapshot.config.warnings]
            return report

        many = 0 if self.gateway.metering.is_short else _MANY
        count = many + len(snapshot.prompts.prompts) + len(snapshot.config.warnings) + len(report["problems"])
        await self.send_long(count, make)

    head = get

    def _report(self, snapshot: Snapshot) -> dict[str, Any]:
        """All but the long lists, which have their places in it."""
        gateway = self.gateway
        outcome = gateway.registry.outcome
        workers = gateway.reports()
        mixed = differ(workers)
        now = time.time()
        return {
            "state": "mixed" if mixed else outcome.state,
            "mixed": mixed,
            "problems": [*outcome.problems, *filter(None, [gateway.registry.prompts.problem])],
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
            "prompts": [],
            "warnings": [],
            "models": len(snapshot.models),
            "running": len(gateway.running),
            "memory": gateway.memory.report(),
            "inside": {},
            "log": logs.report(),
            "ollama": gateway.ollama_url,
            "tls": gateway.tls_report(),
            "usage": gateway.books.ledger.report() if gateway.books.ledger is not None else None,
            "shared": gateway.books.shared.state if gateway.books.shared is not None else None,
            "workers": [facts.shown() for facts in workers],
            "discovery": gateway.discovery_report(),
        }


class RunningHandler(BaseHandler):
    """``GET /status/models``: every deployment and prompt version that runs, told so that ``llm-proxy check --against``
    can compare an edit with it, and how each upstream stands."""

    endpoint = "/status/models"
    during_drain = True
    needs = "admin"

    async def get(self) -> None:
        self.set_header("Cache-Control", "no-store")
        salt, snapshot = secrets.token_hex(16) if self._is_local() else "", self.snapshot
        count = len(snapshot.config.deployments) + len(snapshot.prompts.prompts)
        states, now, wall = self.gateway.router.states, self.now(), time.time()
        lists = {
            (row.provider, row.name): self.gateway.list_report(row)
            for row in snapshot.catalog.asked_for_lists()
        }

        running = Counter(
            (row.provider, row.name) for one in self.gateway.running if (row := one.upstream) is not None
        )
        metering = self.gateway.metering

        def make() -> dict[str, Any]:
            told, speeds = tell(snapshot, salt), metering.speeds(known_models(snapshot))
            for row, deployment in zip(told["models"], snapshot.config.deployments, strict=True):
                who = deployment.provider, deployment.name
                speed = speeds(label_of(snapshot, deployment.name), deployment.provider)
                row |= standing_of(deployment, states, now, wall, running=running[who], speed=speed)
                if (heard := lists.get((deployment.provider, deployment.name))) is not None:
                    row["list"] = heard
            return told

        await self.send_long(count, make)

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
