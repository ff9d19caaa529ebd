"""The prompt directory on disk: what counts, what is reported, and that reading always ends."""

from __future__ import annotations

import os
import socket
import threading
from collections import Counter
from pathlib import Path

import pytest

from llm_proxy.live.prompts import files as prompt_files
from llm_proxy.live.prompts import library as prompts
from llm_proxy.live.prompts.fence import Fence
from tests.support.prompt_tree import load, problems, texts, write

FOLLOW = Fence(follow=True)


def test_what_counts(tmp_path: Path) -> None:
    """Only ``*.prompt`` below a language counts; other files, hidden ones and editors' backups are ignored."""
    write(
        tmp_path,
        {
            "en/a.prompt": "A",
            "en/deep/er/b.c.prompt": "B",
            "README.md": "",
            "en/notes.txt": "",
            "en/a.prompt~": "",
            "en/a.prompt.swp": "",
            "en/#a.prompt#": "",
            "en/4913": "",
            "en/.a.prompt": "",
            "en/.git/x.prompt": "",
            ".git/en/x.prompt": "",
            "old~/x.prompt": "",
            "en/.prompt": "",
        },
    )

    library = load(tmp_path)

    assert {"en/a": "A", "en/deep/er/b.c": "B"} == texts(library)
    assert () == library.problems


@pytest.mark.parametrize(
    ("path", "shown", "message"),
    [
        (b"en/new\nline.prompt", "en/new\\nline.prompt", "control characters"),
        (b"en/\x1b[31m.prompt", "en/\\x1b[31m.prompt", "control characters"),
        ("en/\u202egnp.prompt".encode(), "en/\\u202egnp.prompt", "control characters"),
        (b"en/ab .prompt", "en/ab .prompt", "blanks at its ends"),
        (b"en/ ab/x.prompt", "en/ ab", "blanks at its ends"),
        (b"en/a..b.prompt", "en/a..b.prompt", "'..'"),
        (b"en/a@b.prompt", "en/a@b.prompt", "'@'"),
        (b"en/a\\b.prompt", "en/a\\b.prompt", "backslash"),
        (b"en/\xff\xfe.prompt", "en/\\xff\\xfe.prompt", "not valid UTF-8"),
        (b"en/\xc5/x.prompt", "en/\\xc5", "not valid UTF-8"),
        (b"x.prompt", "x.prompt", "in no language's directory"),
        (b"e n/x.prompt", "e n", "not named like a language"),
        ("język/x.prompt".encode(), "język", "not named like a language"),
    ],
)
def test_names(tmp_path: Path, path: bytes, shown: str, message: str) -> None:
    """A name that could not be asked for, or that would spoil a log line, is reported and skipped."""
    write(tmp_path, {"en/good.prompt": "good"})
    raw = os.fsencode(tmp_path) + b"/" + path
    os.makedirs(os.path.dirname(raw), exist_ok=True)
    with open(raw, "wb") as file:
        file.write(b"text")

    library = load(tmp_path)

    assert {"en/good": "good"} == texts(library)
    assert [shown] == list(problems(library))
    assert message in library.problems[0].message
    assert library.problems[0].path.isprintable()


@pytest.mark.parametrize("kind", ["pipe", "directory", "socket", "dead link", "self link", "device"])
def test_not_a_file(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no regular file never blocks the load; it is reported, and a prompt that was there keeps its text."""
    before = load(write(tmp_path, {"en/a.prompt": "A"}))
    path = tmp_path / "en/a.prompt"
    path.unlink()
    message = "is not a regular file"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "socket":
        monkeypatch.chdir(path.parent)  # the address of a socket has room for 107 bytes
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("a.prompt")
        message = "cannot be read: no such device or address"
    elif kind == "dead link":
        path.symlink_to("nowhere")
        message = "is a symbolic link that leads nowhere"
    elif kind == "self link":
        path.symlink_to("a.prompt")
        message = "cannot be read: too many levels of symbolic links"
    else:
        path.symlink_to("/dev/zero")

    for previous, expected in ((None, {}), (before, {"en/a": "A"})):
        library = load(tmp_path, previous, FOLLOW)
        assert expected == texts(library)
        assert message in problems(library)["en/a.prompt"]


def test_links_are_followed(tmp_path: Path) -> None:
    """Linked files and directories count, also two links to one place, and those that lead out of the tree if they may."""
    write(tmp_path / "common", {"a.prompt": "A", "more/b.prompt": "B"})
    root = write(tmp_path / "prompts", {"en/own.prompt": "own"})
    (root / "en/a.prompt").symlink_to("../../common/a.prompt")
    (root / "pl").symlink_to("../common")
    (root / "de").symlink_to(tmp_path / "common")

    library = load(root, fence=FOLLOW)

    assert {
        "en/a": "A",
        "en/own": "own",
        "pl/a": "A",
        "pl/more/b": "B",
        "de/a": "A",
        "de/more/b": "B",
    } == texts(library)
    assert () == library.problems


def test_loops_of_links(tmp_path: Path) -> None:
    """A link to a directory above it, directly or around corners, is reported and not followed."""
    root = write(tmp_path, {"en/a.prompt": "A", "en/x/b.prompt": "B", "pl/c.prompt": "C"})
    (root / "en/self").symlink_to(".")
    (root / "en/x/up").symlink_to("../..")
    (root / "pl/other").symlink_to("../en")

    library = load(root)

    assert {"en/a": "A", "en/x/b": "B", "pl/c": "C", "pl/other/a": "A", "pl/other/x/b": "B"} == texts(library)
    assert ["en/self", "en/x/up", "pl/other/self", "pl/other/x/up"] == list(problems(library))
    assert {"is a loop of symbolic links"} == set(problems(library).values())


def test_many_crossing_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Directories that all link to each other have endless paths: the short ones are read, the report is bounded."""
    monkeypatch.setattr(prompt_files, "MAX_ENTRIES", 5_000)
    root = write(tmp_path, {f"l{n}/a.prompt": "A" for n in range(8)})
    for n in range(8):
        for m in range(8):
            (root / f"l{n}" / f"to{m}").symlink_to(f"../l{m}")

    library = load(root)

    assert tuple(f"l{n}" for n in range(8)) == library.languages["a"]
    assert prompts.MAX_PROBLEMS + 1 == len(library.problems)
    assert library.problems[-1].message.endswith("more problems")


def test_directories_that_all_link_to_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is listed a bounded number of times, however many ways there are; each is served by the short ones."""
    root = write(tmp_path, {f"l{n}/a.prompt": "A" for n in range(12)})
    for n in range(12):
        for m in range(12):
            (root / f"l{n}" / f"to{m}").symlink_to(f"../l{m}")
    listed: Counter[str] = Counter()
    scandir = os.scandir

    def counted(path: bytes) -> object:
        listed[os.path.realpath(os.fsdecode(path))] += 1
        return scandir(path)

    monkeypatch.setattr(os, "scandir", counted)
    library = load(root)

    assert max(listed.values()) == 2 * prompt_files.MAX_WAYS  # the tree is looked at twice
    assert {f"l{n}/a" for n in range(12)} | {f"l{n}/to{n - 1}/a" for n in range(1, 12)} <= texts(
        library
    ).keys()


def test_link_to_a_vanished_directory(tmp_path: Path) -> None:
    """A linked directory whose place has vanished is reported, and its prompts keep their texts."""
    write(tmp_path / "common", {"a.prompt": "A"})
    root = write(tmp_path / "prompts", {"en/b.prompt": "B"})
    (root / "pl").symlink_to("../common")
    library = load(root, fence=FOLLOW)
    (tmp_path / "common").rename(tmp_path / "away")

    library = load(root, library, FOLLOW)

    assert {"en/b": "B", "pl/a": "A"} == texts(library)
    assert ["pl"] == list(problems(library))


def test_unreadable_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that cannot be listed is reported; its prompts keep their texts while the rest applies."""
    library = load(write(tmp_path, {"en/a.prompt": "A", "en/x/b.prompt": "B"}))
    write(tmp_path, {"en/a.prompt": "A2", "en/x/b.prompt": "B2"})
    scandir = os.scandir

    def refuse(path: bytes) -> object:
        if path.endswith(b"/x"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    with monkeypatch.context() as patch:  # root may list anything, so a mode would prove nothing
        patch.setattr(os, "scandir", refuse)
        library = load(tmp_path, library)

    assert {"en/a": "A2", "en/x/b": "B"} == texts(library)
    assert {"en/x": "cannot be read: permission denied"} == problems(library)


def test_depth(tmp_path: Path) -> None:
    """Directories below the sixteenth level are reported, not entered."""
    levels = "/".join(f"d{n}" for n in range(2, prompt_files.MAX_DEPTH + 1))
    root = write(tmp_path, {f"en/{levels}/a.prompt": "A", f"en/{levels}/deeper/b.prompt": "B"})

    library = load(root)

    assert {f"en/{levels}/a": "A"} == texts(library)
    assert {f"en/{levels}/deeper": "is more than 16 levels deep"} == problems(library)


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the limit those that were there before go first, the report says so, and nothing grows without limit."""
    monkeypatch.setattr(prompt_files, "MAX_FILES", 5)
    monkeypatch.setattr(prompts, "MAX_FILES", 5)
    library = load(write(tmp_path, {"en/x.prompt": "X", "pl/y.prompt": "Y"}))
    write(tmp_path, {f"en/{n}.prompt": "" for n in range(100)})
    write(tmp_path, {f"aa/{n}.prompt": f"{n}" for n in range(100)})

    for _ in range(3):
        library = load(tmp_path, library)
        assert len(library.prompts) <= 5
        assert {"en/x": "X", "pl/y": "Y"}.items() <= texts(library).items()
        assert "more than 5 prompt files; the rest is not read" in {p.message for p in library.problems}


def test_too_many_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory of endless other files ends the look; prompts that were not seen keep their texts."""
    library = load(write(tmp_path, {"en/a.prompt": "A", "pl/b.prompt": "B"}))
    write(tmp_path, {f"en/{n}.txt": "" for n in range(50)} | {f"pl/{n}.txt": "" for n in range(50)})
    monkeypatch.setattr(prompt_files, "MAX_ENTRIES", 20)

    library = load(tmp_path, library)

    assert {"en/a": "A", "pl/b": "B"} == texts(library)
    assert {".": "more than 20 directory entries; the rest is not looked at"} == problems(library)


def test_a_crowded_directory_is_left_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The look at one directory ends at the limit too, and edits under such a limit let nothing grow."""
    monkeypatch.setattr(prompt_files, "MAX_ENTRIES", 10)
    monkeypatch.setattr(prompt_files, "MAX_FILES", 8)
    monkeypatch.setattr(prompts, "MAX_FILES", 8)
    root = tmp_path / "prompts"
    library = load(write(root, {"en/0.prompt": "0"}))
    for n in range(1, 4):
        (root / "en").rename(tmp_path / f"{n}")
        library = load(write(root, {f"en/{n}-{m}.prompt": f"{n}" for m in range(50)}), library)
        assert 8 == len(library.prompts)

    monkeypatch.setattr(prompt_files, "MAX_FILES", 100)
    assert 9 == len(load(root).prompts)


def test_large_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a file of many gigabytes not one byte is read."""
    write(tmp_path, {"en/a.prompt": "A"})
    os.truncate(tmp_path / "en/a.prompt", 10**10)
    monkeypatch.delattr(os, "read")

    assert {"en/a.prompt": "is larger than 1 MiB"} == problems(load(tmp_path))


def test_too_many_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library larger than the limit is read up to it; the rest keeps its text."""
    library = load(write(tmp_path, {"en/a.prompt": "A", "en/b.prompt": "B", "en/c.prompt": "C"}))
    write(tmp_path, {"en/a.prompt": "A" * 60, "en/b.prompt": "B" * 60, "en/c.prompt": "C" * 60})
    monkeypatch.setattr(prompt_files, "MAX_TOTAL_BYTES", 100)

    library = load(tmp_path, library)

    assert {"en/a": "A" * 60, "en/b": "B", "en/c": "C"} == texts(library)
    assert ["en/b.prompt"] == list(problems(library))


def test_case_clash(tmp_path: Path) -> None:
    """Names that differ only in case, or in how an accent is written, are served and reported."""
    write(
        tmp_path,
        {
            "en/Hello.prompt": "1",
            "en/hello.prompt": "2",
            "pl/ż.prompt": "3",
            "pl/z\u0307.prompt": "4",
            "pl/hello.prompt": "5",
        },
    )

    library = load(tmp_path)

    assert 5 == len(library.prompts)
    assert {"en/hello.prompt", "pl/ż.prompt"} == set(problems(library))
    assert problems(library)["en/hello.prompt"].startswith("differs from en/Hello.prompt only in case")


def test_kubernetes_volume(tmp_path: Path) -> None:
    """A volume of a ConfigMap is read through its links, and a swap of ``..data`` is one edit."""
    for version in ("1", "2"):
        write(tmp_path, {f"..version{version}/{name}.prompt": name + version for name in "abc"})
    (tmp_path / "..data").symlink_to("..version1")
    (tmp_path / "en").mkdir()
    for name in "abc":
        (tmp_path / f"en/{name}.prompt").symlink_to(f"../..data/{name}.prompt")
    before = load(tmp_path)
    assert {"en/a": "a1", "en/b": "b1", "en/c": "c1"} == texts(before)

    swap_data(tmp_path, "..version2")

    assert {"en/a": "a2", "en/b": "b2", "en/c": "c2"} == texts(load(tmp_path, before))


def swap_data(volume: Path, target: str) -> None:
    (volume / "..data_tmp").symlink_to(target)
    (volume / "..data_tmp").rename(volume / "..data")


def test_volume_swapped_during_the_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree that is replaced while it is read is read again: never half of one state and half of the next."""
    write(
        tmp_path, {f"..version{version}/{name}.prompt": name + version for name in "abc" for version in "12"}
    )
    (tmp_path / "..data").symlink_to("..version1")
    (tmp_path / "en").mkdir()
    for name in "abc":
        (tmp_path / f"en/{name}.prompt").symlink_to(f"../..data/{name}.prompt")
    read = os.read
    looks: list[bytes] = []

    def swap_after_the_first(descriptor: int, size: int) -> bytes:
        data = read(descriptor, size)
        if not looks:
            swap_data(tmp_path, "..version2")
        looks.append(data)
        return data

    monkeypatch.setattr(os, "read", swap_after_the_first)
    library = load(tmp_path)

    assert {"en/a": "a2", "en/b": "b2", "en/c": "c2"} == texts(library)
    assert [b"a1", b"b2", b"c2", b"a2", b"b2", b"c2"] == looks


def test_file_removed_during_the_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that goes between the listing and the reading is gone, not a problem."""
    write(tmp_path, {"en/a.prompt": "A", "en/b.prompt": "B"})
    before = load(tmp_path)
    read = os.read

    def remove_the_other(descriptor: int, size: int) -> bytes:
        (tmp_path / "en/b.prompt").unlink(missing_ok=True)
        return read(descriptor, size)

    monkeypatch.setattr(os, "read", remove_the_other)
    library = load(tmp_path, before)

    assert {"en/a": "A"} == texts(library)
    assert () == library.problems


def test_torn_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is written to while it is read is read again."""
    path = write(tmp_path, {"en/a.prompt": "old text"}) / "en/a.prompt"
    read = os.read
    times: list[bytes] = []

    def write_meanwhile(descriptor: int, size: int) -> bytes:
        data = read(descriptor, size)
        if not times:
            path.write_text("the new text")
        times.append(data)
        return data

    monkeypatch.setattr(os, "read", write_meanwhile)

    assert {"en/a": "the new text"} == texts(load(tmp_path))
    assert [b"old text", b"the new text"] == times


def test_restless_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that never rests keeps its last good text and is reported; the rest of the edit applies."""
    before = load(write(tmp_path, {"en/a.prompt": "A", "en/b.prompt": "B"}))
    path = write(tmp_path, {"en/a.prompt": "A2", "en/b.prompt": "B2"}) / "en/a.prompt"
    read = os.read

    def write_meanwhile(descriptor: int, size: int) -> bytes:
        data = read(descriptor, size)
        if data.startswith(b"A"):
            with path.open("a") as file:
                file.write("A")
        return data

    monkeypatch.setattr(os, "read", write_meanwhile)
    library = load(tmp_path, before)

    assert {"en/a": "A", "en/b": "B2"} == texts(library)
    assert {"en/a.prompt": "keeps changing while it is read"} == problems(library)


def test_busy_neighbour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other files that come and go beside the prompts do not make the look begin again."""
    write(tmp_path, {"en/a.prompt": "A", "en/b.prompt": "B"})
    read = os.read
    reads = []

    def write_a_log(descriptor: int, size: int) -> bytes:
        reads.append(descriptor)
        write(tmp_path, {f"en/log{len(reads)}.txt": "line", f"en/.a.prompt.{len(reads)}": "temporary"})
        return read(descriptor, size)

    monkeypatch.setattr(os, "read", write_a_log)

    assert {"en/a": "A", "en/b": "B"} == texts(load(tmp_path))
    assert 2 == len(reads)


def test_writer_at_work(tmp_path: Path) -> None:
    """While a writer replaces files by rename, each load sees whole texts, and the load after it the last ones."""
    names = [f"p{n}" for n in range(10)]
    library = load(write(tmp_path, {f"en/{name}.prompt": f"{name} 0 " * 200 for name in names}))
    done = threading.Event()

    def writer() -> None:
        for version in range(1, 30):
            for name in names:
                temporary = tmp_path / f"en/.{name}"
                temporary.write_text(f"{name} {version} " * 200)
                temporary.rename(tmp_path / f"en/{name}.prompt")
        done.set()

    thread = threading.Thread(target=writer)
    thread.start()
    while not done.is_set():
        library = load(tmp_path, library)
        assert () == library.problems
        assert set(names) == {name for name, _ in library.prompts}
        for text in texts(library).values():
            assert 2 == len(set(text.split()))
    thread.join()

    assert {f"en/{name}": f"{name} 29 " * 200 for name in names} == texts(load(tmp_path, library))
