"""What a program is told, as values: where the gateway is, and settings as files, variables, code or words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

#: What stands for a key where the gateway asks for none: most programs insist on having one.
NO_KEY = "llm-proxy"
#: The variable in which programs that can read one look for the key.
KEY_NAME = "LLM_PROXY_API_KEY"

Form = Literal["json", "toml", "yaml", "env"]
Keys = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Gateway:
    """``url``: the root of the gateway, without a slash at its end. ``key`` is never shown by its ``repr``."""

    url: str
    model: str
    key: str = field(default=NO_KEY, repr=False)

    @property
    def v1(self) -> str:
        """The base URL of OpenAI's dialect, and of Anthropic's where the program wants it with its version."""
        return f"{self.url}/v1"

    @property
    def ollama(self) -> str:
        """The address that a client of Ollama's takes."""
        return f"{self.url}/ollama"


@dataclass(frozen=True, slots=True)
class File:
    """A part of a program's own file, to be merged into what stands there.

    ``path`` begins with ``~``, unless the variable ``home[0]`` is set: then it is ``home[1]`` in the folder that it names. ``secret`` is where the
    key stands in ``content``: what is there already stays, unless a key was given. ``kept``: what only a new file needs to be told. Items of a
    list are the same if their ``same`` is.
    """

    path: str
    form: Form
    content: Mapping[str, Any] | list[Any]
    home: tuple[str, str] = ("", "")
    secret: tuple[Keys, ...] = ()
    kept: tuple[Keys, ...] = ()
    same: str = "name"


@dataclass(frozen=True, slots=True)
class Variables:
    """What is set in the shell that starts the program; ``container``: as its image is started."""

    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Code:
    """Lines of a program of one's own, or of a shell."""

    language: Literal["python", "javascript", "bash"]
    text: str
    install: str = ""


Setting = File | Variables | Code


@dataclass(frozen=True, slots=True)
class Program:
    """``start``: the command line with which it asks the model, if there is one. ``notes`` are whole sentences. ``url``: its own page
    about these settings."""

    id: str
    name: str
    speaks: str
    settings: Callable[[Gateway], tuple[Setting, ...]]
    url: str
    start: Callable[[Gateway], str] = lambda gateway: ""
    notes: tuple[str, ...] = ()
    group: Literal["agent", "chat", "library"] = "agent"

    @property
    def files(self) -> bool:
        """Whether there is anything that can be written for it."""
        return any(isinstance(setting, File) for setting in self.settings(Gateway("", "")))
