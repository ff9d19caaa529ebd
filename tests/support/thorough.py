"""How much is tried: so much that the tests stay quick, and all of it with ``make thorough``."""

from __future__ import annotations

import os

THOROUGH = os.environ.get("LLM_PROXY_THOROUGH") == "1"
#: Examples of each property that does not say itself how many it needs.
EXAMPLES = 1000 if THOROUGH else 50
#: Places at which a recording is cut, those around line ends included.
PLACES = 1 << 30 if THOROUGH else 600
