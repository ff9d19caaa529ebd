"""``llm-proxy doctor``: looks at everything that a start needs, with the settings that ``serve`` would read, and changes nothing.

Exit status 0 if nothing is broken, else 1. Upstreams are asked for their lists of models only, which costs nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from llm_proxy.cli.doctor import machine, places, upstreams
from llm_proxy.cli.doctor.findings import Finding, broken, note, ok, shown
from llm_proxy.cli.settings_flags import add_flags as add_settings
from llm_proxy.live.access.words import rows_of
from llm_proxy.live.config.loader import ConfigError
from llm_proxy.live.state.registry import Snapshot, load_snapshot, problem_lines
from llm_proxy.service import surroundings
from llm_proxy.service.configuration_sources import sources_of
from llm_proxy.settings import Settings, SettingsError, environment, unknown_variables

#: Variables of proxies, of which only the name is ever said.
_PROXY_NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Those of ``serve``."""
    add_settings(parser)


def doctor(given: Mapping[str, Any]) -> int:
    """Look, and say it; returns the exit status."""
    findings = list(look(given, environment()))
    for line in shown(findings):
        print(line)
    return 1 if any(one.grade == "broken" for one in findings) else 0


def look(given: Mapping[str, Any], env: Mapping[str, str]) -> Iterator[Finding]:
    """Everything that there is to be said, in the order in which a start would meet it."""
    try:
        settings = Settings.read(env, given)
    except SettingsError as error:
        name, _, words = str(error).partition(": ")
        yield broken(name, words, "llm-proxy serve --help tells every setting")
        return
    for warning in unknown_variables(env):
        yield note("settings", warning, "take it away, or mend its name")
    yield from _environment(env)
    yield from machine.look(settings)
    snapshot: Snapshot | None = None
    try:
        snapshot = load_snapshot(sources_of(settings, env))
    except (ConfigError, OSError) as error:
        lines = [str(line) for line in problem_lines(error)]
        more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
        yield broken("configuration", lines[0] + more, "mend it; llm-proxy check shows every problem")
    access = snapshot.access if snapshot is not None else None
    yield from places.look(settings, env, access is not None)
    if snapshot is not None:
        keys = f", {len(rows_of(access))} keys" if access is not None else ""
        yield ok(
            "configuration",
            f"{settings.models_config.name}: {len(snapshot.models)} models, {len(snapshot.prompts.languages)} prompts{keys}",
        )
        for problem in snapshot.config.warnings:
            yield note("configuration", str(problem), "mend it; llm-proxy check shows it again")
        if all(row.api_type == "demo" for row in snapshot.config.deployments):
            yield note(
                "upstreams",
                "none yet: only the demo model answers, with an echo",
                "llm-proxy init writes down what runs on this machine, which the shipped configuration finds by itself; "
                "llm-proxy import takes over another program's configuration",
            )
        yield from upstreams.look(snapshot, env)


def _environment(env: Mapping[str, str]) -> Iterator[Finding]:
    """Proxies and certificates, as the service reads them."""
    names = [name for low in _PROXY_NAMES for name in (low, low.upper()) if env.get(name)]
    try:
        for warning in surroundings.warnings(env):
            yield note("environment", warning, "mend the variable")
    except SettingsError as error:
        yield broken("environment", str(error), "mend the variable")
        return
    if names:
        yield ok("proxies", f"set: {', '.join(names)}; this machine itself is always reached directly")
    else:
        yield ok("proxies", "none is set; every upstream is reached directly")
    if env.get("SSL_CERT_FILE"):
        yield ok("certificates", "SSL_CERT_FILE is trusted instead of the system's")
