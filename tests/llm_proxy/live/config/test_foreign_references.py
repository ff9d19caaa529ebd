"""Keys that are another tool's way to say where the key is are warned about, and never shown."""

from __future__ import annotations

import pytest

from llm_proxy.live.config.foreign_references import HINT, looks_foreign
from tests.support.config_kit import load

FOREIGN = [
    *("os.environ/OPENAI_API_KEY", 'os.environ["KEY"]', "os.getenv('KEY')", "process.env.KEY"),
    *("env:KEY", "env.KEY", "env/KEY", "$KEY", "$(KEY)", "$env:KEY", "%KEY%", "!ENV ${KEY"),
    *("{{ KEY }}", "{{ env.KEY }}", "<your key>", "{api_key}", "vault:secret/openai", "op://vault/item/key"),
    *("/run/secrets/openai", "@/run/secrets/openai", "file:/run/secrets/openai", "secret:openai"),
    *("YOUR_API_KEY", "your-api-key-here", "INSERT_TOKEN", "sk-...", "sk-xxxx", "changeme", "xxxxxxxx"),
]
KEYS = [
    "sk-proj-abcDEF123",
    "gsk_0a1b2c",
    "AIzaSyA-1_2",
    "hf_abc",
    "k",
    "secret",
    "a$b",
    "100%",
    "token-abc123",
    "none",
    "x" * 5000,
]


@pytest.mark.parametrize("text", FOREIGN)
def test_references_and_blanks(text: str) -> None:
    """Bare, behind a scheme, and with blanks around."""
    assert looks_foreign(text)
    assert looks_foreign(f"Bearer {text}")
    assert looks_foreign(f" {text} ")


@pytest.mark.parametrize("text", KEYS)
def test_keys_are_keys(text: str) -> None:
    """No word about what may well be a key."""
    assert not looks_foreign(text)
    assert not looks_foreign(f"Bearer {text}")


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"api_token": "os.environ/PLANTED"}, "openai.m.api_token"),
        ({"headers": {"X-Key": "$PLANTED"}}, "openai.m.headers.X-Key"),
    ],
)
def test_a_warning_with_its_place(fields: dict[str, object], path: str) -> None:
    """It loads, and the warning shows neither value nor name."""
    (warning,) = load({"openai": {"m": fields}}).warnings

    assert (warning.path, warning.message) == (path, HINT)
    assert "PLANTED" not in str(warning)


def test_what_a_reference_of_ours_gave_is_a_key() -> None:
    """Nothing is said about what came from the environment."""
    assert not load({"openai": {"m": {"api_token": "${K}"}}}, env={"K": "$odd"}).warnings
