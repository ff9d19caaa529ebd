"""The text of a configuration, shown without its secrets: sound or broken, whatever stands where."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llm_proxy.console.edits import NoSuchRow, typed, weighed
from llm_proxy.console.masking import MASK, Unfillable, filled, masked
from llm_proxy.errors import InvalidRequest

EXAMPLE = Path(__file__).resolve().parents[3] / "resources" / "configs" / "models-config.example.json"
SECRET = "sk-planted-0123456789abcdef"

FILE = """{
  "$comment": "the old key was sk-planted-0123456789abcdef, see meta-llama/Llama-3.2-3B-Instruct",
  "peer": {
    "defaults": {
      "api_type": "openai", "api_host": "https://user:sk-planted-0123456789abcdef@host:1/v1?key=sk-planted-0123456789abcdef",
      "api_token": "sk-planted-0123456789abcdef",
      "headers": {"X-Key": "sk-planted-0123456789abcdef", "model": "sk-planted-0123456789abcdef", "Authorization": "Bearer ${KEY}"},
      "options": {"user": "sk-planted-0123456789abcdef", "temperature": 0.5, "stop": ["sk-planted-0123456789abcdef"]}
    },
    "m": {"model": "up", "unknown": "sk-planted-0123456789abcdef"}
  },
  "$models": {"m": {"fallbacks": ["b", {"model": "c"}, "d"]}}
}
"""


def test_what_may_be_a_secret_is_withheld() -> None:
    """Keys, headers, credentials in an address, texts of options and of unknown fields; names, numbers and placeholders stay."""
    shown = masked(FILE)

    assert SECRET not in shown.text
    assert shown.text.count("\n") == FILE.count("\n")
    assert shown.withheld == 8
    found = json.loads(shown.text)
    peer = found["peer"]["defaults"]
    assert (peer["api_type"], peer["api_host"], peer["api_token"]) == (
        "openai",
        "https://***@host:1/v1",
        MASK,
    )
    assert peer["headers"] == {"X-Key": MASK, "model": MASK, "Authorization": "Bearer ${KEY}"}
    assert peer["options"] == {"user": MASK, "temperature": 0.5, "stop": [MASK]}
    assert found["peer"]["m"] == {"model": "up", "unknown": MASK}
    assert found["$models"] == {"m": {"fallbacks": ["b", {"model": "c"}, "d"]}}
    assert "see meta-llama/Llama-3.2-3B-Instruct" in found["$comment"]


@pytest.mark.parametrize("at", range(0, len(FILE), 7))
def test_a_broken_file_shows_no_secret_either(at: int) -> None:
    """A character is missing, or one too many; the text is cut."""
    for broken in (
        FILE[:at] + FILE[at + 1 :],
        FILE[:at] + '"' + FILE[at:],
        FILE[:at],
        FILE[:at] + "}" + FILE[at:],
    ):
        shown = masked(broken).text
        for line in shown.split("\n"):
            # Half of a secret may be a word of its own, where somebody has put a quote or a bracket into it.
            assert SECRET not in line


def test_the_example_reads_as_it_is() -> None:
    """Of the file that shows every field nothing is withheld but two headers."""
    assert masked(EXAMPLE.read_text("utf-8")).withheld == 2


def test_masks_that_are_left_stand_for_what_the_file_has() -> None:
    """What is shown, unchanged, is the file; a mask where there is no secret is told with its place."""
    shown = masked(FILE).text

    assert filled(shown, FILE) == FILE
    assert filled(shown.replace('"up"', '"other"'), FILE) == FILE.replace('"up"', '"other"')
    assert filled(FILE, "broken") == FILE
    assert filled("{" + MASK, FILE) == "{" + MASK
    with pytest.raises(Unfillable) as caught:
        filled('{"peer": {"m": {\n "model": "***"}}}', FILE)
    assert (caught.value.path, caught.value.line, caught.value.column) == ("peer.m.model", 2, 11)
    with pytest.raises(InvalidRequest, match=r"line 2, column 11: peer\.m\.model"):
        typed('{"peer": {"m": {\n "model": "***"}}}', FILE)


ROWS = """{
  "$comment": "kept",
  "a": {
    "one": { "x": 1 },
    "two": {
      "model": "b", "weight": 3
    },
    "three": {
      "model": "b"
    },
    "four": {}
  }
}
"""


@pytest.mark.parametrize(
    ("model", "old", "new"),
    [
        ("one", '{ "x": 1 }', '{ "weight": 0, "x": 1 }'),
        ("two", '"weight": 3', '"weight": 0'),
        (
            "three",
            '{\n      "model": "b"\n    },\n    "four"',
            '{\n      "weight": 0,\n      "model": "b"\n    },\n    "four"',
        ),
        ("four", '"four": {}', '"four": {"weight": 0}'),
    ],
)
def test_a_weight_is_all_that_changes(model: str, old: str, new: str) -> None:
    """Layout and remarks stay, wherever the row says what."""
    changed = weighed(ROWS, "a", model, 0)

    assert changed == ROWS.replace(old, new)
    assert json.loads(changed)["a"][model]["weight"] == 0
    assert json.loads(weighed(changed, "a", model, 2.5))["a"][model]["weight"] == 2.5


@pytest.mark.parametrize(
    ("provider", "model"), [("a", "none"), ("b", "one"), ("$comment", "x"), ("a", "defaults")]
)
def test_a_row_that_is_not_there_has_no_weight(provider: str, model: str) -> None:
    """Nor has a broken file any."""
    for text in (ROWS, "{", "[]", '{"a": 1}'):
        with pytest.raises(NoSuchRow):
            weighed(text, provider, model, 0)
