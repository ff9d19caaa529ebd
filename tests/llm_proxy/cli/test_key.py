"""The commands for keys, as people type them: what they say when something is not right, and that nothing has happened then."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from llm_proxy.__main__ import main
from tests.support.read_only import READ_ONLY, read_only

_FILE = {
    "$comment": "ours",
    "keys": {
        "$comment1": "people",
        "alice": {"hash": "sha256:" + 64 * "a", "team": "t"},
        "$comment2": "machines",
    },
    "teams": {"t": {}},
    "budgets": {"b": {"usd": 1, "per": "day"}},
}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "access.json"
    monkeypatch.setenv("LLM_PROXY_API_ACCESS", str(path))
    monkeypatch.delenv("LLM_PROXY_API_LOG_FILENAME", raising=False)
    return path


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("new bob --expires tomorrow", "--expires: must be a date such as"),
        ("new bob --expires 2020-01-01", "--expires: that is over: the key would never be valid"),
        ("new bob --team u --write", "--team: there is no such team"),
        ("new x.y --budgets b c --write", "--budgets: there is no such budget"),
        ("new bob --models  ", "--models: must be 1 to 256 printable characters"),
        ("new alice --write", "there is a key of that name; 'llm-proxy key rotate'"),
        ("new ", "NAME: must be 1 to 128 printable characters"),
        ("new a\tb --write", "NAME: must be 1 to 128 printable characters"),
        ("new $comment --write", "such a name is a comment"),
        ("new $comment3", "such a name is a comment"),
        ("new $schema", "such a name is a comment"),
        ("rotate alise", 'there is no key of that name; did you mean "alice"?'),
        ("rotate alise --write", 'there is no key of that name; did you mean "alice"?'),
        ("rotate $comment1", "there is no key of that name"),
        ("remove $comment2", "there is no key of that name"),
        ("remove Alice", 'there is no key of that name; did you mean "alice"?'),
    ],
)
def test_what_is_not_right(words: str, said: str, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Told in a line that names what was typed; no key is printed, the file is as it was."""
    file.write_text(json.dumps(_FILE, indent=1))
    before = file.read_bytes()
    status = main(["key", *words.split(" ")])
    out, error = capsys.readouterr()

    assert status == 1
    assert out == ""
    assert error.startswith(f"llm-proxy: {said}")
    assert error.count("\n") == 1
    assert "line 1" not in error
    assert file.read_bytes() == before


@pytest.mark.parametrize("words", ["list", "rotate a", "rotate a --write", "remove a"])
def test_there_is_no_file(words: str, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is named whole, and so is what makes it."""
    assert main(["key", *words.split()]) == 1
    assert (
        capsys.readouterr().err
        == f"llm-proxy: there is no {file}; 'llm-proxy key new NAME --write' makes it\n"
    )
    assert not file.exists()


def test_there_is_no_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor is one made, since it would be a slip of the hand."""
    monkeypatch.setenv("LLM_PROXY_API_ACCESS", str(tmp_path / "no" / "access.json"))
    assert main(["key", "new", "a", "--write"]) == 1
    assert capsys.readouterr().err == f"llm-proxy: there is no directory {tmp_path}/no\n"


@pytest.mark.parametrize("words", ["list", "new b --write", "rotate a", "rotate a --write", "remove a"])
def test_the_file_is_broken(words: str, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where it is broken is told, and it is left alone."""
    file.write_text('{"keys": {\n')
    assert main(["key", *words.split()]) == 1
    out, error = capsys.readouterr()
    assert (out, error) == ("", "access.json: line 2, column 1: ends too early\n")
    assert file.read_text() == '{"keys": {\n'


def test_a_key_comes_and_goes(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Comments and layout stay; afterwards the file is as it was before."""
    text = json.dumps(_FILE, indent="\t").replace(": {", " :  {\r\n")
    file.write_bytes(text.encode())
    assert main(["key", "new", "żółw", "--team", "t", "--write"]) == 0
    assert main(["key", "rotate", "żółw", "--write"]) == 0
    keys = json.loads(file.read_bytes())["keys"]
    assert list(keys) == ["$comment1", "alice", "$comment2", "żółw"]
    assert len(keys["żółw"]["hash"]) == 2
    assert main(["key", "remove", "żółw"]) == 0

    assert file.read_bytes() == text.encode()
    assert capsys.readouterr().err == "key żółw: added\nkey żółw: hash changed\nkey żółw: removed\n"


def test_several_at_once(file: Path) -> None:
    """None overwrites what another has written."""
    threads = [threading.Thread(target=main, args=(["key", "new", f"k{n}", "--write"],)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(json.loads(file.read_bytes())["keys"]) == [f"k{n}" for n in range(6)]


@pytest.mark.parametrize("how", READ_ONLY)
@pytest.mark.parametrize("words", ["new bob --write", "rotate alice --write", "remove alice"])
def test_a_file_that_may_only_be_read(
    words: str, how: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence with its name and what to do; no key is printed, nothing was written, not even beside it. What only reads goes on."""
    file.write_text(json.dumps(_FILE, indent=1))
    before = file.read_bytes()
    with read_only(file, how) as said:
        status = main(["key", *words.split()])
        out, error = capsys.readouterr()

        assert (status, out) == (1, "")
        assert error.startswith(f"llm-proxy: access.json: cannot be replaced: {said}")
        assert error.count("\n") == 1
        assert (file.read_bytes(), list(file.parent.iterdir())) == (before, [file])
        assert main(["key", "list"]) == 0
        assert main(["key", "rotate", "alice"]) == 0
