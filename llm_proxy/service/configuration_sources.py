"""Where a service's configuration comes from, by its settings: the files, what is guarded of them, and the last good copy.

Commands that look at a configuration begin here, and know nothing of what serves it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from llm_proxy.live.state.last_good import NAME, LastGood
from llm_proxy.live.state.registry import Sources
from llm_proxy.settings import Settings
from providers.discovery import discover


def sources_of(settings: Settings, env: Mapping[str, str]) -> Sources:
    """Where this service's configuration comes from."""
    return Sources(
        settings.models_config,
        settings.prompts_dir,
        discover(),
        env,
        settings.timeout,
        follow_links=settings.prompts_follow,
        guarded=guarded_files(settings, env),
        access=settings.access_file,
        access_required=settings.access is not None,
    )


def guarded_files(settings: Settings, env: Mapping[str, str]) -> tuple[Path, ...]:
    """What a prompt must never show, beside what the configuration names: the files of the settings, our own copy of the
    configuration, and those that OpenSSL reads."""
    copy = [settings.last_good / NAME] if settings.last_good else []
    return (*settings.files, *copy, *(Path(env[name]) for name in ("SSL_CERT_FILE",) if env.get(name)))


def last_good_of(settings: Settings) -> LastGood | None:
    """The copy of the last good configuration, if one is wanted."""
    return LastGood(settings.last_good) if settings.last_good else None
