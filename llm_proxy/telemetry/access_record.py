"""The record of one request."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any, ClassVar


class AccessRecord(logging.LogRecord):
    """A record of the access log, at INFO: ``fields`` as ``extra``, each of them a text, a number, true or false, or a list
    of texts. Made without what nobody asks of it (which line of which file called, which thread): to find that out takes
    longer than the rest of the line."""

    __slots__ = ("fields",)

    _usual: ClassVar[dict[str, Any]] = vars(
        logging.LogRecord("llm_proxy.access", logging.INFO, "", 0, "request", None, None)
    )

    def __init__(self, fields: Mapping[str, Any]) -> None:
        # Any formatter finds them where they usually are; ours need not look for them there.
        self.__dict__ = {**self._usual, **fields, "created": time.time()}
        self.fields = fields
