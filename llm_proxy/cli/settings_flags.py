"""The flags of ``serve`` and of whatever looks at what it would do: one for each setting."""

from __future__ import annotations

import argparse
from typing import Any

from llm_proxy.settings import Settings


def add_flags(parser: argparse.ArgumentParser) -> None:
    """One flag for each setting; flags win over the environment."""
    for name, field in Settings.model_fields.items():
        if name != "minimum":  # an acknowledgement is given in the environment
            flag = "--" + name.replace("_", "-")
            # A flag that means yes or no needs no value to mean yes.
            optional: dict[str, Any] = {"nargs": "?", "const": "1"} if field.default in (True, False) else {}
            parser.add_argument(
                flag,
                dest=name,
                metavar="VALUE",
                help=(field.description or "").replace("%", "%%"),
                **optional,
            )
