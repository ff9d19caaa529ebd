"""``llm-proxy check``: the loader that the server runs, without the server.

Prints what was found and exits with 0, or prints the problems and exits with 1. With ``--against URL`` it asks the
gateway that runs there, and prints what the edit would add, remove and change; 2 if that gateway cannot be asked. With
several of them it says what each runs, and exits with 3 if one lags behind the others. It reads files, and changes none.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
from collections.abc import Mapping
from typing import Any

from llm_proxy.cli.asking import Address, NoAnswerError, why
from llm_proxy.cli.replicas import Replica, lagging
from llm_proxy.cli.replicas import lines as replica_lines
from llm_proxy.live.access.words import rows_of
from llm_proxy.live.config.loader import ConfigError
from llm_proxy.live.state.dry_run import differences
from llm_proxy.live.state.registry import Snapshot, load_snapshot, problem_lines
from llm_proxy.service import surroundings
from llm_proxy.service.configuration_sources import sources_of
from llm_proxy.settings import KEY_VARIABLE, Settings, SettingsError, environment
from providers.anthropic.models import DEFAULT_MAX_TOKENS, known_limit

#: Seconds that the running gateway may take.
_PATIENCE = 10.0


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What stands behind ``llm-proxy check``."""
    parser.add_argument("--models-config", metavar="FILE", help="the model configuration to judge")
    parser.add_argument("--prompts-dir", metavar="DIR", help="the prompt directory to judge")
    parser.add_argument("--access", metavar="FILE", help="the file of the keys to judge")
    parser.add_argument(
        "--against",
        metavar="URL",
        action="append",
        help="a running gateway: show what the edit would change there; may be given again, for each of several",
    )


def check(flags: Mapping[str, Any]) -> int:
    """Judge the configuration that ``flags`` and the environment name; returns the exit status."""
    env = environment()
    paths = {key: flags[key] for key in ("models_config", "prompts_dir", "access") if key in flags}
    try:
        settings = Settings.read(env, paths)
        about_env = list(surroundings.warnings(env))
    except SettingsError as error:
        print(f"llm-proxy: {error}", file=sys.stderr)
        return 2
    try:
        snapshot = load_snapshot(sources_of(settings, env))
    except (ConfigError, OSError) as error:
        for line in problem_lines(error):
            print(line, file=sys.stderr)
        return 1
    for line in [*report(snapshot), *(f"warning: {text}" for text in about_env)]:
        print(line)
    if "against" not in flags:
        return 0
    urls = [flags["against"]] if isinstance(flags["against"], str) else list(flags["against"])
    key = env.get(KEY_VARIABLE, "")
    if len(urls) > 1:
        return _against_several(urls, settings.ep_prefix, snapshot, key)
    try:
        lines = against(urls[0], settings.ep_prefix, snapshot, key)
    except NoAnswerError as error:
        print(f"llm-proxy: --against: {error}", file=sys.stderr)
        return 2
    for line in lines:
        print(line)
    return 0


def _against_several(urls: list[str], prefix: str, snapshot: Snapshot, key: str) -> int:
    """Say what each runs, and what the edit would change at those that run the same; the exit status."""
    found: list[Replica] = []
    for url in dict.fromkeys(urls):
        try:
            found.append(_replica(url, prefix, key))
        except NoAnswerError as error:
            print(f"llm-proxy: --against {url}: {error}", file=sys.stderr)
    if not found:
        return 2
    for line in replica_lines(found, snapshot.hash):
        print(line)
    for one in {replica.hash: replica for replica in found if replica.hash != snapshot.hash}.values():
        try:
            changes = [
                line for line in against(one.url, prefix, snapshot, key)[1:] if line.startswith("would")
            ]
        except NoAnswerError as error:
            print(f"llm-proxy: --against {one.url}: {error}", file=sys.stderr)
            return 2
        print(f"at {one.version}:")
        for line in changes:
            print(f"  {line}")
    if len(found) < len(dict.fromkeys(urls)):
        return 2
    return 3 if lagging(found, snapshot.hash) else 0


def _replica(url: str, prefix: str, key: str) -> Replica:
    """What a gateway says of itself. Raises ``NoAnswerError``."""
    told = ask(url, prefix, "/status", key)
    try:
        problems = [str(problem) for problem in told["problems"]]
        facts = (str(told["hash"]), int(told["generation"]), float(told["loaded_at"]), str(told["state"]))
    except (KeyError, TypeError, ValueError):
        raise NoAnswerError("the answer is not that of a gateway of this version") from None
    return Replica(url, *facts, problems[0] if problems else "")


def report(snapshot: Snapshot) -> list[str]:
    """What a good configuration contains, its warnings, and prompt files that would be skipped."""
    models, prompts = len(snapshot.models), len(snapshot.prompts.languages)
    keys = f", {len(rows_of(snapshot.access))} keys" if snapshot.access is not None else ""
    lines = [f"ok: {models} models, {prompts} prompts{keys}, hash {snapshot.hash[:8]}"]
    lines += [f"warning: {warning}" for warning in snapshot.config.warnings]
    lines += [f"warning: {text}" for text in _short_answers(snapshot)]
    lines += [f"warning: prompt {problem.path}: {problem.message}" for problem in snapshot.prompts.problems]
    return lines


def _short_answers(snapshot: Snapshot) -> list[str]:
    """Models of Anthropic's API, which needs a limit for each answer, that have none and whose own is not known."""
    limits = ("max_tokens", "max_completion_tokens", "max_new_tokens")
    return [
        f"{row.provider}.{row.name}.options.max_tokens: is not set, and what '{row.model}' can answer is not known: without a limit "
        f"of the client's an answer ends after {DEFAULT_MAX_TOKENS} tokens"
        for rows in snapshot.models.values()
        for row in rows
        if row.api_type == "anthropic"
        and known_limit(row.model) is None
        and not any(row.options.get(name) for name in limits)
    ]


def against(url: str, prefix: str, snapshot: Snapshot, key: str = "") -> list[str]:
    """What would change in the gateway at ``url`` (with its prefix or without), which may want a ``key``. Raises
    ``NoAnswerError``."""
    told = ask(url, prefix, "/status/models", key)
    try:
        changes = differences(told, snapshot)
        running = f"{told['generation']}-{str(told['hash'])[:8]}"
    except (KeyError, ValueError) as error:
        raise NoAnswerError("the answer is not that of a gateway of this version") from error
    lines = [f"running: generation {running}"]
    if not told["salt"]:
        lines.append("note: addresses, keys and texts are compared on the gateway's own machine only")
    if snapshot.hash == told["hash"]:
        return [*lines, "nothing would change"]
    return [
        *lines,
        *(f"would change: {change}" for change in changes or ["nothing that can be seen from here"]),
    ]


def ask(url: str, prefix: str, path: str, key: str) -> dict[str, Any]:
    """What a running gateway answers to a GET of ``path``. Raises ``NoAnswerError``."""
    address = Address.of(url, key)
    base = address.base
    paths = [base + path]
    if not base.endswith(prefix or "/"):
        paths.insert(0, base + prefix + path)
    status = 0
    for path in paths:
        try:
            status, data = address.get(path, _PATIENCE)
            if status == 200:
                found = json.loads(data)
                if isinstance(found, dict):
                    return found
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NoAnswerError(f"no usable answer: {why(error)}") from error
        if status in (401, 403):
            raise NoAnswerError(f'it asks for a key with "admin": set {KEY_VARIABLE} in the environment')
    raise NoAnswerError(f"no gateway answers there (status {status})")
