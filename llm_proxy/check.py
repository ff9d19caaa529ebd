"""``llm-proxy check``: the loader that the server runs, without the server.

Prints what was found and exits with 0, or prints every problem and exits with 1. It reads files, and changes none.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from llm_proxy.config import ConfigError
from llm_proxy.prompts import PromptDirMissing
from llm_proxy.registry import Snapshot, Sources, load_snapshot, problem_lines
from llm_proxy.settings import Settings, SettingsError, environment
from providers.discovery import discover


def check(flags: Mapping[str, str]) -> int:
    """Judge the configuration that ``flags`` and the environment name; returns the exit status."""
    env = environment()
    paths = {key: flags[key] for key in ("models_config", "prompts_dir") if key in flags}
    try:
        settings = Settings.read(env, paths)
    except SettingsError as error:
        print(f"llm-proxy: {error}", file=sys.stderr)
        return 2
    sources = Sources(settings.models_config, settings.prompts_dir, discover(), env, settings.timeout)
    try:
        snapshot = load_snapshot(sources)
    except (ConfigError, PromptDirMissing, OSError) as error:
        for line in problem_lines(error):
            print(line, file=sys.stderr)
        return 1
    for line in report(snapshot):
        print(line)
    return 0


def report(snapshot: Snapshot) -> list[str]:
    """What a good configuration contains, its warnings, and prompt files that would be skipped."""
    models, prompts = (
        len(snapshot.models),
        len({key[0] for key in snapshot.prompts.prompts}),
    )
    lines = [f"ok: {models} models, {prompts} prompts, hash {snapshot.hash[:8]}"]
    lines += [f"warning: {warning}" for warning in snapshot.config.warnings]
    lines += [f"warning: prompt {problem.path}: {problem.message}" for problem in snapshot.prompts.problems]
    return lines
