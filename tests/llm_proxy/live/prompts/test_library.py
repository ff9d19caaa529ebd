"""The library of prompts: look-up, fallback, versions, and what an edit of the directory does to it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_proxy.errors import PromptNotFound
from llm_proxy.live.prompts import history as prompt_history
from llm_proxy.live.prompts.library import Found, Prompt, PromptDirMissing, PromptSet, load_prompts
from llm_proxy.wire import did_you_mean as near
from tests.support.prompt_tree import load, problems, texts, write

LANGUAGES = ["en", "pl", "de", "fr"]
#: Parts of ids that a file system and our rules accept.
PARTS = st.from_regex(r"[a-zA-Z0-9ążó_][a-zA-Z0-9ążó_. -]{0,10}[a-z0-9ż]", fullmatch=True).filter(
    lambda part: ".." not in part
)


def a_set(*keys: tuple[str, str]) -> PromptSet:
    """A library that holds these (id, language), each with a text of its own."""
    prompts = {(name, lang): Prompt.of(name, lang, f"{name} in {lang}".encode()) for name, lang in keys}
    return PromptSet(prompts, versions={key: (prompt,) for key, prompt in prompts.items()})


def not_found(
    library: PromptSet, ref: str, language: str | None = None, default: str = "en"
) -> PromptNotFound:
    with pytest.raises(PromptNotFound) as caught:
        library.find(ref, language, default)
    assert (404, "prompt_not_found", "prompt") == (
        caught.value.status,
        caught.value.code,
        caught.value.param,
    )
    return caught.value


@pytest.mark.parametrize(
    ("asked", "default", "used"),
    [
        ("de", "pl", "de"),
        ("pl", "de", "pl"),
        (None, "de", "de"),
        ("fr", "pl", "pl"),
        ("fr", "es", "en"),
        (None, "es", "en"),
        ("", "pl", "pl"),
        ("DE", "pl", "de"),
        ("de-AT", "pl", "de"),
        ("DE_ch", "pl", "de"),
        ("../en", "pl", "pl"),
    ],
)
def test_fallback(asked: str | None, default: str, used: str) -> None:
    """The language asked for, else the default language, else English; the result says which."""
    library = a_set(("hello", "en"), ("hello", "pl"), ("hello", "de"))

    found = library.find("hello", asked, default)

    assert used == found.language == found.prompt.language
    assert f"hello in {used}" == found.prompt.render({})


@given(
    st.sets(st.sampled_from(LANGUAGES)),
    st.one_of(st.none(), st.sampled_from(LANGUAGES)),
    st.sampled_from(LANGUAGES),
)
def test_fallback_order(have: set[str], asked: str | None, default: str) -> None:
    """For any languages, the first of asked, default and English that exists is found, and no other ever."""
    library = a_set(*(("hello", language) for language in have))
    expected = next((language for language in (asked, default, "en") if language in have), None)

    if expected is None:
        not_found(library, "hello", asked, default)
    else:
        assert expected == library.find("hello", asked, default).language


def test_languages_that_nobody_asked_for() -> None:
    """A prompt that exists only in other languages is a 404 that lists them."""
    error = not_found(a_set(("hello", "fr"), ("hello", "de")), "hello", "pl")

    assert "prompt 'hello' exists in de, fr only" == error.message


@pytest.mark.parametrize(
    "ref",
    [
        "../hello",
        "/etc/passwd",
        "%2e%2e/hello",
        "hello\0",
        "hello.prompt",
        "en/hello",
        "Hello",
        "hello ",
        "ħello",
        "he\u217c\u217co",
        "",
        "@",
        "\ud800",
        "x" * 10_000,
        "hello@../../etc/passwd",
        "hello@" + "0" * 10_000,
    ],
)
def test_hostile_ids(tmp_path: Path, ref: str) -> None:
    """An id is looked up in the loaded map and nowhere else: whatever it looks like, it is a short, printable 404."""
    write(tmp_path, {"en/hello.prompt": "hi"})
    (tmp_path / "hello.prompt").symlink_to("/etc/passwd")

    error = not_found(load(tmp_path), ref)

    assert len(error.message) < 300
    assert error.message.isprintable()


def test_look_up_reads_no_file(tmp_path: Path) -> None:
    """A loaded library serves all its prompts when the directory is long gone."""
    library = load(write(tmp_path / "prompts", {"en/a.prompt": "A", "pl/b/c.prompt": "C"}))
    shutil.rmtree(tmp_path / "prompts")

    assert "A" == library.find("a", "pl", "pl").prompt.render({})
    assert "C" == library.find("b/c", "pl", "en").prompt.render({})


def test_near_names() -> None:
    """The 404 for a misspelt id names near ones, and for anything else where to look."""
    library = a_set(("summary", "en"), ("summary", "pl"), ("support/refund", "en"))

    assert not_found(library, "sumary").message.endswith("; did you mean summary?")
    assert not_found(library, "suport/refunds").message.endswith("; did you mean support/refund?")
    assert not_found(library, "xyz").message.endswith("; GET /prompts lists the prompts")


def test_near_names_among_thousands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Among thousands of ids the near ones are still found, and only neighbours in the alphabet are compared."""
    library = a_set(*((f"topic-{n:04}/intro", "en") for n in range(3_000)))
    compared: list[str] = []

    def counted(word: str, possible: Sequence[str], n: int, cutoff: float) -> list[str]:
        compared.extend(possible)
        return get_close_matches(word, possible, n, cutoff)

    monkeypatch.setattr(near, "get_close_matches", counted)

    assert "topic-1234/intro" in not_found(library, "topic-1234/into").message
    assert len(compared) <= 200


def test_pinned_version(tmp_path: Path) -> None:
    """``id@hash`` means exactly that content, through edits, in any case of its digits and any length from eight."""
    write(tmp_path, {"en/hello.prompt": "first"})
    library = load(tmp_path)
    first = library.find("hello", "en", "en").prompt
    for text in ("second", "third"):
        write(tmp_path, {"en/hello.prompt": text})
        library = load(tmp_path, library)

    assert "third" == library.find("hello", "en", "en").prompt.text
    for digits in (8, 9, 63, 64):
        assert Found(first, "en") == library.find(f"hello@{first.hash[:digits]}", "en", "en")
    assert first == library.find(f"hello@{first.hash.upper()}", None, "pl").prompt


def test_pinned_version_knows_its_language() -> None:
    """A hash finds its text whatever language is asked for; among equal texts the asked language goes first."""
    library = a_set(("hello", "de"), ("hello", "en"))
    german = library.find("hello", "de", "en").prompt
    assert Found(german, "de") == library.find(german.ref, "en", "en")

    same = {("x", lang): Prompt.of("x", lang, b"the same") for lang in ("de", "en", "pl")}
    library = PromptSet(same, versions={key: (prompt,) for key, prompt in same.items()})
    ref = same["x", "de"].ref
    assert "pl" == library.find(ref, "pl", "de").language
    assert "de" == library.find(ref, None, "de").language
    assert "en" == library.find(ref, "fr", "es").language


@pytest.mark.parametrize("version", ["", "1234567", "00000000", "zzzzzzzz", "0" * 65, "00000000@1"])
def test_unknown_version(version: str) -> None:
    """A hash that no version in memory has, or one that is too short, is a 404 that lists the known ones."""
    library = a_set(("hello", "en"), ("hello", "pl"))
    known = [library.find("hello", language, "en").prompt for language in ("en", "pl")]

    error = not_found(library, f"hello@{version}")

    assert f"there are {known[0].hash[:8]} (en), {known[1].hash[:8]} (pl)" in error.message


def test_version_by_too_few_digits() -> None:
    """Seven digits of a real hash name no version: they could mean two by accident."""
    library = a_set(("hello", "en"))

    not_found(library, library.find("hello", "en", "en").prompt.ref[:-1])


def test_twenty_versions(tmp_path: Path) -> None:
    """The last 20 versions of a prompt stay in memory, newest first; going back to one moves it to the front."""
    library = load(write(tmp_path, {"en/a.prompt": "text 0", "en/b.prompt": "other"}))
    for n in range(1, 25):
        write(tmp_path, {"en/a.prompt": f"text {n}"})
        library = load(tmp_path, library)
    assert [f"text {n}" for n in range(24, 4, -1)] == [p.text for p in library.versions["a", "en"]]
    assert ["other"] == [p.text for p in library.versions["b", "en"]]

    write(tmp_path, {"en/a.prompt": "text 20"})
    library = load(tmp_path, library)
    assert [20, *range(24, 20, -1), *range(19, 4, -1)] == [
        int(p.text.split()[1]) for p in library.versions["a", "en"]
    ]


def test_versions_of_a_removed_prompt(tmp_path: Path) -> None:
    """A removed prompt is a 404 by name, while a conversation pinned to a version of it goes on."""
    library = load(write(tmp_path, {"en/a.prompt": "text", "en/b.prompt": "other"}))
    ref = library.find("a", "en", "en").prompt.ref
    (tmp_path / "en/a.prompt").unlink()

    library = load(tmp_path, library)

    not_found(library, "a")
    assert "text" == library.find(ref, None, "en").prompt.text


def test_history_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When old versions weigh too much, those that changed longest ago go; what is served never does."""
    monkeypatch.setattr(prompt_history, "MAX_BYTES", 8_000)
    library = load(write(tmp_path, {f"en/{name}.prompt": f"first {name}" for name in "abc"}))
    (tmp_path / "en/c.prompt").unlink()
    library = load(tmp_path, library)
    for n in range(5):
        write(tmp_path, {"en/a.prompt": f"{n}" * 500})
        library = load(tmp_path, library)

    assert ["4", "3", "2", "1"] == [prompt.text[0] for prompt in library.versions["a", "en"]]
    assert ["first b"] == [prompt.text for prompt in library.versions["b", "en"]]
    assert ("c", "en") not in library.versions


def test_edit(tmp_path: Path) -> None:
    """An edit adds, changes and removes prompts, and leaves the set that was there before as it was."""
    before = load(write(tmp_path, {"en/a.prompt": "A", "en/b.prompt": "B", "en/x/c.prompt": "C"}))
    write(tmp_path, {"en/a.prompt": "A2", "pl/d.prompt": "D"})
    (tmp_path / "en/b.prompt").unlink()
    shutil.rmtree(tmp_path / "en/x")

    after = load(tmp_path, before)

    assert {"en/a": "A2", "pl/d": "D"} == texts(after)
    assert {"en/a": "A", "en/b": "B", "en/x/c": "C"} == texts(before)
    assert () == after.problems
    assert {"a": ("en",), "d": ("pl",)} == after.languages


@pytest.mark.parametrize(
    "bad", [b"\xff", b"", b"{{", b"x" * 1_048_577], ids=["utf-8", "empty", "slot", "big"]
)
def test_file_gone_bad(tmp_path: Path, bad: bytes) -> None:
    """A file that has gone bad keeps its last good text and is listed, while the rest of the edit applies."""
    before = load(write(tmp_path, {"en/a.prompt": "A", "en/b.prompt": "B"}))
    write(tmp_path, {"en/a.prompt": bad, "en/b.prompt": "B2", "en/c.prompt": bad})

    after = load(tmp_path, before)
    assert {"en/a": "A", "en/b": "B2"} == texts(after)
    assert {"en/a.prompt", "en/c.prompt"} == set(problems(after))
    assert after == load(tmp_path, after)

    mended = load(write(tmp_path, {"en/a.prompt": "A2", "en/c.prompt": "C"}), after)
    assert {"en/a": "A2", "en/b": "B2", "en/c": "C"} == texts(mended)
    assert () == mended.problems


def test_bad_file_at_start(tmp_path: Path) -> None:
    """At the first load a bad file is skipped and listed."""
    library = load(write(tmp_path, {"en/a.prompt": b"\xff", "en/b.prompt": "B"}))

    assert {"en/b": "B"} == texts(library)
    assert {"en/a.prompt": "is not valid UTF-8 (line 1)"} == problems(library)


def test_bad_file_deleted(tmp_path: Path) -> None:
    """Deleting the bad file removes the prompt whose old text was served, and the problem."""
    library = load(write(tmp_path, {"en/a.prompt": "A", "en/b.prompt": "B"}))
    library = load(write(tmp_path, {"en/a.prompt": b"\xff"}), library)
    (tmp_path / "en/a.prompt").unlink()

    library = load(tmp_path, library)

    assert {"en/b": "B"} == texts(library)
    assert () == library.problems


@pytest.mark.parametrize("how", ["removed", "renamed", "emptied", "a file in its place", "a dead link"])
def test_directory_vanishes(tmp_path: Path, how: str) -> None:
    """A prompt directory that vanishes keeps all prompts and says so; when it is back, it counts again."""
    root = tmp_path / "prompts"
    before, digest = load_prompts(write(root, {"en/a.prompt": "A", "pl/b.prompt": "B"}))
    root.rename(tmp_path / "elsewhere")
    if how == "emptied":
        root.mkdir()
    elif how == "a file in its place":
        root.write_text("")
    elif how == "a dead link":
        root.symlink_to("nowhere")
    if how == "removed":
        shutil.rmtree(tmp_path / "elsewhere")

    kept, kept_digest = load_prompts(root, before)
    assert texts(before) == texts(kept)
    assert digest == kept_digest
    assert problems(kept)["."].endswith("all prompts stay as they were")

    if root.is_dir():
        root.rmdir()
    else:
        root.unlink(missing_ok=True)
    back = load(write(root, {"en/a.prompt": "A2"}), kept)
    assert {"en/a": "A2"} == texts(back)
    assert () == back.problems


def test_directory_missing_at_start(tmp_path: Path) -> None:
    """Without a directory there is no first load: one error that names it. An empty one is a library of nothing."""
    with pytest.raises(PromptDirMissing, match="prompts: no such file or directory"):
        load_prompts(tmp_path / "prompts")
    (tmp_path / "file").write_text("")
    with pytest.raises(PromptDirMissing, match="file: not a directory"):
        load_prompts(tmp_path / "file")

    assert PromptSet() == load(tmp_path)


def test_last_prompt_deleted(tmp_path: Path) -> None:
    """Deleting the only prompt of a directory that still has its language removes it."""
    library = load(write(tmp_path, {"en/a.prompt": "A"}))
    (tmp_path / "en/a.prompt").unlink()

    library = load(tmp_path, library)

    assert {} == texts(library)
    assert () == library.problems


def test_digest(tmp_path: Path) -> None:
    """The digest is that of names and contents: equal trees agree in any order of writing, any change changes it."""
    files = {"en/a.prompt": "A", "pl/a.prompt": "B", "en/x/y.prompt": "C"}
    _, digest = load_prompts(write(tmp_path / "1", files))
    _, again = load_prompts(write(tmp_path / "2", dict(reversed(files.items()))))
    assert digest == again

    changed = [
        {**files, "en/a.prompt": "A\n"},
        {**files, "en/b.prompt": "A"},
        {"en/a.prompt": "B", "pl/a.prompt": "A", "en/x/y.prompt": "C"},
        {"en/a.prompt": "A", "pl/a.prompt": "B", "en/x-y.prompt": "C"},
    ]
    digests = {load_prompts(write(tmp_path / f"c{n}", tree))[1] for n, tree in enumerate(changed)}
    assert len(changed) == len(digests - {digest})


def test_digest_is_of_what_is_served(tmp_path: Path) -> None:
    """A touch, a rewrite of equal bytes, a neighbour and a file gone bad leave the digest; a repair changes it."""
    library, digest = load_prompts(write(tmp_path, {"en/a.prompt": "A", "en/b.prompt": "B"}))
    write(tmp_path, {"en/b.prompt": "B", "en/notes.txt": "n", "en/a.prompt": b"\xff"})
    library, same = load_prompts(tmp_path, library)
    assert digest == same

    _, other = load_prompts(write(tmp_path, {"en/a.prompt": "A2"}), library)
    assert digest != other


def test_unchanged_prompts_are_kept(tmp_path: Path) -> None:
    """A second load of the same bytes makes no second copy of a prompt."""
    before = load(write(tmp_path, {"en/a.prompt": "A", "pl/a.prompt": "A"}))
    after = load(tmp_path, before)

    assert before == after
    assert all(after.prompts[key] is prompt for key, prompt in before.prompts.items())


@settings(max_examples=40, deadline=None)
@given(st.lists(PARTS, min_size=1, max_size=4), st.sampled_from(["en", "pt-BR", "zh_Hant", "sr-Latn-RS"]))
def test_path_names(parts: list[str], language: str) -> None:
    """Any sane path below a language is an id; the file is found by it."""
    name = "/".join(parts)
    with tempfile.TemporaryDirectory() as directory:
        library = load(write(Path(directory), {f"{language}/{name}.prompt": "text"}))

    assert () == library.problems
    assert [(name, language)] == list(library.prompts)
    assert "text" == library.find(name, language, "en").prompt.text


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["en/a", "en/b/c", "pl/a"]),
            st.sampled_from([b"one", b"two", b"three {{ x }}", b"\xff", b"", b"{{ bad", None]),
        ),
        max_size=6,
    )
)
def test_any_sequence_of_edits(edits: list[dict[str, bytes | None]]) -> None:
    """After any edits each prompt has its last good text since its file last came to be, and each bad file is listed."""
    served: dict[str, bytes] = {}
    on_disk: dict[str, bytes] = {}
    library: PromptSet | None = None
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        (root / "en").mkdir()
        for edit in edits:
            for name, data in edit.items():
                if data is None:
                    (root / f"{name}.prompt").unlink(missing_ok=True)
                    on_disk.pop(name, None)
                else:
                    write(root, {f"{name}.prompt": data})
                    on_disk[name] = data
            library = load(root, library)
            bad = {name for name, data in on_disk.items() if data in (b"\xff", b"", b"{{ bad")}
            served = {name: data for name, data in served.items() if name in bad}
            served |= {name: data for name, data in on_disk.items() if name not in bad}

            assert {name: data.decode() for name, data in served.items()} == texts(library)
            assert {f"{name}.prompt" for name in bad} == set(problems(library))
