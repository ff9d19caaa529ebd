"""Where a program runs: a HOME, a workspace and an environment of its own, and nothing of the machine's beside the path.

All traffic but to loopback is sent to a closed port, updates and statistics are off as far as variables can say so, and
keys are dummies.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_proxy.faces.programs.table import PROGRAMS
from llm_proxy.faces.programs.values import File, Gateway, Variables
from tests.apps.install import cache, program
from tests.apps.pins import PINS

KEY = "sk-dummy-0123456789abcdef"
#: A reserved port (tcpmux) that nobody listens at: who wants to leave the machine is refused at once.
_NOWHERE = "http://127.0.0.1:1"
_ROOT = Path(__file__).resolve().parents[2]
MCP = Path(__file__).resolve().parent / "pictures_mcp.py"


@dataclass(frozen=True, slots=True)
class Place:
    """What a program is told: its folders, the gateway's addresses, the model's name and the task."""

    home: Path
    work: Path
    url: str
    ollama: str
    model: str
    task: str
    mcp: bool

    @property
    def v1(self) -> str:
        """The base URL of OpenAI's dialect."""
        return f"{self.url}/v1"

    @property
    def server(self) -> tuple[str, list[str]]:
        """The command of the MCP server and its arguments."""
        return sys.executable, [str(MCP)]

    def binary(self, name: str) -> str:
        """The program of a pin."""
        return str(program(PINS[name]))

    def beside(self, name: str, other: str) -> str:
        """Another program of the same pin."""
        return str(cache() / PINS[name].folder / other)


@dataclass(frozen=True, slots=True)
class Start:
    """A command, its variables, and the files of its HOME (values that are no text are written as JSON). ``client``: what ``llm-proxy
    client`` calls the program; what it tells is then merged into those files, or set in its environment."""

    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Any] = field(default_factory=dict)
    stdin: str = ""
    client: str = ""


@dataclass(frozen=True, slots=True)
class App:
    """A program with one way to speak to the gateway. ``job`` is what it must do: write a ``file`` or say a ``word``."""

    name: str
    pin: str
    route: str
    speaks: str
    job: str
    start: Callable[[Place], Start]
    mcp: str = ""  # what an MCP tool's result is for its model: a "picture", or the "words" beside it alone
    quick: tuple[str, ...] = ()  # the kinds of upstream over which CI runs it
    quick_mcp: tuple[str, ...] = ()  # and with the MCP server
    model: str = "m"  # how the public name begins: what the program knows, where that changes its manners
    fixed: str = ""  # the whole public name, where the program knows no other
    limit: float = 120.0

    @property
    def version(self) -> str:
        """The version that is pinned."""
        return PINS[self.pin].version

    @property
    def title(self) -> str:
        """The row of the table."""
        return f"{self.name} {self.version}" + (f", {self.route}" if self.route else "")

    @property
    def id(self) -> str:
        """What the row is called in the file of results and on the command line."""
        return f"{self.pin}:{self.route}" if self.route else self.pin


def prepare(place: Place, start: Start) -> dict[str, str]:
    """Write its files; its whole environment."""
    place.work.mkdir(parents=True, exist_ok=True)
    for name, content in start.files.items():
        path = place.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
    proxies = {
        name: _NOWHERE for base in ("http_proxy", "https_proxy", "all_proxy") for name in (base, base.upper())
    }
    local = "127.0.0.1,localhost,::1"
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(place.home),
        "TMPDIR": str(place.home),
        "XDG_CONFIG_HOME": str(place.home / ".config"),
        "XDG_CACHE_HOME": str(place.home / ".cache"),
        "XDG_DATA_HOME": str(place.home / ".local/share"),
        "XDG_STATE_HOME": str(place.home / ".local/state"),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "NO_COLOR": "1",
        "CI": "1",
        "SHELL": "/bin/bash",
        "DO_NOT_TRACK": "1",
        "NO_UPDATE_NOTIFIER": "1",
        "PYTHONWARNINGS": "ignore",
        **proxies,
        "no_proxy": local,
        "NO_PROXY": local,
        **start.env,
    }
    return {**env, **_told(place, start, env)} if start.client else env


def _told(place: Place, start: Start, env: Mapping[str, str]) -> dict[str, str]:
    """Let our own command write the program's settings; the variables that it can only print."""
    settings = PROGRAMS[start.client].settings(Gateway(place.url, place.model, KEY))
    if any(isinstance(setting, File) for setting in settings):
        given = ("--url", place.url, "--model", place.model, "--key", KEY, "--write")
        command = (sys.executable, "-m", "llm_proxy", "client", start.client, *given)
        subprocess.run(command, check=True, env={**env, "PYTHONPATH": str(_ROOT)}, stdout=subprocess.DEVNULL)
    return {
        name: value
        for setting in settings
        if isinstance(setting, Variables)
        for name, value in setting.values.items()
    }
