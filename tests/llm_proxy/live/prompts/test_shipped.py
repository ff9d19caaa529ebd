"""The prompts that the project ships."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_proxy.live.prompts.library import PromptSet, load_prompts

DIRECTORY = Path(__file__).parent.parent.parents[2] / "resources" / "prompts"
SLOTS = {
    "classification": ("categories",),
    "code-review": (),
    "conversation": (),
    "extraction": ("schema",),
    "question-answering": ("context",),
    "rewrite": ("tone",),
    "summary": (),
    "translation": ("target_language",),
}


@pytest.fixture(scope="module")
def shipped() -> PromptSet:
    return load_prompts(DIRECTORY)[0]


def test_the_library_is_complete(shipped: PromptSet) -> None:
    """Each shipped prompt exists in English and in Polish and nothing in the directory is a problem."""
    assert () == shipped.problems
    assert dict.fromkeys(SLOTS, ("en", "pl")) == shipped.languages


@pytest.mark.parametrize("name", SLOTS)
def test_slots_agree(shipped: PromptSet, name: str) -> None:
    """A prompt has the same slots in both languages, and with its slots filled no brace is left over."""
    for language in ("en", "pl"):
        prompt = shipped.find(name, language, "en").prompt

        assert SLOTS[name] == prompt.slots
        text = prompt.render(dict.fromkeys(prompt.slots, "<value>"))
        assert ("<value>" in text) == bool(prompt.slots)
        assert "{{" not in text


@pytest.mark.parametrize("name", SLOTS)
def test_polish_is_polish(shipped: PromptSet, name: str) -> None:
    """The Polish text is written with Polish letters, and is not the English one."""
    english = shipped.find(name, "en", "en").prompt.text
    polish = shipped.find(name, "pl", "en").prompt.text

    assert {"ą", "ę", "ł", "ś", "ż"} <= set(polish)
    assert not set("ąćęłńóśźż") & set(english)
