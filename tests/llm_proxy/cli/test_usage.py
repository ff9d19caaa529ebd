"""``llm-proxy usage``, as people type it: what it says when something is not right."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_proxy.__main__ import main


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ("--since yesterday", 2, '--since: must be hours, days or weeks such as "12h" or "30d", or a date'),
        (
            "--by key,foo",
            2,
            "--by: must be some of key, team, model, provider, face, day, with commas between",
        ),
        ("--state {}/none", 1, "there is no ledger at {}/none/usage.db"),
        ("--state {}", 1, "{}/usage.db cannot be read: file is not a database"),
        ("", 1, "LLM_PROXY_API_STATE is not set; --from URL asks a gateway that runs"),
    ],
)
def test_what_is_not_right(
    words: str,
    status: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line, which names what was typed and the file that it is about."""
    monkeypatch.delenv("LLM_PROXY_API_STATE", raising=False)
    (tmp_path / "usage.db").write_text("junk, and more of it than a header of a database has" * 10)
    given = main(["usage", *words.format(tmp_path).split()])
    out, error = capsys.readouterr()

    assert (given, out) == (status, "")
    assert error.startswith(f"llm-proxy: {said.format(tmp_path)}")
    assert error.count("\n") == 1
