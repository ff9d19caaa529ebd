"""The matrix: what each client dialect gets from each upstream dialect, feature by feature, declared as data."""

import pytest

pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in ("faces", "forms", "proofs")))
pytest.register_assert_rewrite(*(f"{__name__}.read_{name}" for name in ("anthropic", "ollama", "openai")))
