"""What is shipped: the wheel and the sdist, their requirements, and the import contracts that hold the rooms apart."""

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_string
from itertools import pairwise
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from llm_proxy import __version__

pytestmark = pytest.mark.one_python("one wheel is for all Pythons; make test-packages installs it on each")

ROOT = Path(__file__).parent.parent
PACKAGES = ["llm_proxy", "handlers", "providers"]
#: What a working tree holds besides the project.
NOT_OURS = shutil.ignore_patterns(
    ".git", ".venv*", ".*_cache", ".hypothesis", "__pycache__", "build", "dist", "*.egg-info", "node_modules"
)
#: Where a name that is imported is not the name of its distribution.
DISTRIBUTIONS = {
    "pydantic_core": "pydantic",
    "pythonjsonlogger": "python-json-logger",
    "backports": "backports-zstd",
    "yaml": "pyyaml",
}
#: Modules that newer Pythons have themselves.
NEWER = {"compression"}


@dataclass(frozen=True)
class Built:
    """The two archives, as paths, and the names in them without the sdist's top folder."""

    wheel: Path
    in_wheel: set[str]
    in_sdist: dict[str, int]

    def requirements(self) -> list[Requirement]:
        """What the wheel asks for, extras included."""
        with zipfile.ZipFile(self.wheel) as archive:
            (name,) = (name for name in self.in_wheel if name.endswith(".dist-info/METADATA"))
            metadata = message_from_string(archive.read(name).decode())
        return [Requirement(text) for text in metadata.get_all("Requires-Dist", [])]


def sources() -> set[str]:
    """The Python files of the three packages."""
    return {str(path.relative_to(ROOT)) for name in PACKAGES for path in (ROOT / name).rglob("*.py")}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """An sdist of a copy of the tree, and the wheel that comes out of the sdist; no network."""
    base = tmp_path_factory.mktemp("build")
    tree, out = base / "tree", base / "out"
    shutil.copytree(ROOT, tree, ignore=NOT_OURS)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(tree)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)

    assert 0 == done.returncode, done.stdout + done.stderr
    wheel, sdist = (
        out / f"llm_proxy_api-{__version__}-py3-none-any.whl",
        out / f"llm_proxy_api-{__version__}.tar.gz",
    )
    with zipfile.ZipFile(wheel) as archive, tarfile.open(sdist) as ball:
        files = {member.name.partition("/")[2]: member.mode for member in ball if member.isfile()}
        return Built(wheel, set(archive.namelist()), files)


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a clean environment with the wheel in it; what it depends on is lent by this environment."""
    home = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True, timeout=120)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(home),
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
    ]
    subprocess.run([*pip, "--disable-pip-version-check", str(built.wheel)], check=True, timeout=120)
    paths = {"base": str(home), "platbase": str(home)}
    lent = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    Path(sysconfig.get_path("purelib", "venv", paths), "lent.pth").write_text("\n".join(lent))
    return home / "bin"


def clean_environment(**variables: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LLM_PROXY", "PYTHON"))}
    return kept | variables


@pytest.fixture
def serving(installed: Path, tmp_path: Path) -> Iterator[str]:
    """The address below which ``llm-proxy serve`` answers, started in an empty folder."""
    env = clean_environment(
        LLM_PROXY_API_MINIMUM="1", LLM_PROXY_API_LOG_FORMAT="json", LLM_PROXY_API_DISCOVER="0"
    )
    command = [str(installed / "llm-proxy"), "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            lines = []
            for line in process.stderr:
                lines.append(line)
                if '"listening"' in line:
                    yield json.loads(line)["url"]
                    break
            else:
                pytest.fail("it ended before it listened: " + "".join(lines))
            process.send_signal(signal.SIGTERM)
            process.stderr.read()
            assert 0 == process.wait(30)
        finally:
            process.kill()


def test_wheel_holds_all_files_of_the_packages(built: Built) -> None:
    """Pages, pictures, schemas and licences that lie in the packages are in the wheel; and our own licence is."""
    files = {
        str(path.relative_to(ROOT))
        for name in PACKAGES
        for path in (ROOT / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name != ".DS_Store"
    }
    vendored = {name for name in files if "vendor" in name.split("/") and not name.endswith("license.txt")}
    licensed = {name.removesuffix(".license.txt") for name in files if name.endswith(".license.txt")}

    assert not files - built.in_wheel
    assert {name.rsplit("/", 1)[0] + "/" + Path(name).name.partition(".")[0] for name in vendored} == licensed
    assert f"llm_proxy_api-{__version__}.dist-info/licenses/LICENSE" in built.in_wheel


def test_wheel_holds_the_three_packages(built: Built) -> None:
    """The wheel holds the three packages, each with its mark for type checkers, and no other Python."""
    assert sources() == {name for name in built.in_wheel if name.endswith(".py")}
    assert {f"{name}/py.typed" for name in PACKAGES} < built.in_wheel


def test_wheel_holds_the_pins_of_the_local_model(built: Built) -> None:
    """What ``--local`` fetches is pinned by a file of the wheel, and the extra brings nothing that must be compiled."""
    assert "llm_proxy/service/local_model/requirements.txt" in built.in_wheel
    wanted = {
        found.name
        for found in built.requirements()
        if found.marker is not None
        and found.marker.evaluate({"extra": "local"})
        and not found.marker.evaluate({"extra": ""})
    }

    assert wanted == {"xllamacpp"}


def test_wheel_holds_what_an_operator_edits(built: Built) -> None:
    """The shipped configuration and prompts are in the wheel, where the installed program looks for them."""
    shared = f"llm_proxy_api-{__version__}.data/data/share/llm-proxy-api/"
    expected = {str(path.relative_to(ROOT)) for path in (ROOT / "resources").rglob("*") if path.is_file()}

    assert expected
    assert expected == {name.removeprefix(shared) for name in built.in_wheel if name.startswith(shared)}


def test_sdist_is_a_checkout(built: Built) -> None:
    """The sdist holds the sources, the tests, the benchmarks and the scripts, which keep their run bits."""
    tests = {
        str(p.relative_to(ROOT))
        for folder in ("tests", "benchmarks", "deploy")
        for p in (ROOT / folder).rglob("*")
        if p.is_file() and p.suffix != ".pyc" and "node_modules" not in p.parts
    }
    scripts = {"run-rest-api.sh", "run-tests.sh", "scripts/test-others.sh", "scripts/newcomer.sh"}
    pages = {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "pyproject.toml"}

    assert not (sources() | tests | scripts | pages | {"requirements.txt"}) - built.in_sdist.keys()
    assert all(built.in_sdist[script] & 0o100 for script in scripts)


def test_installed_program_comes_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    """``llm-proxy --version`` runs in an empty folder, from the wheel and not from this checkout."""
    env = clean_environment()
    command, where = (
        [str(installed / "llm-proxy"), "--version"],
        "import llm_proxy; print(llm_proxy.__file__)",
    )
    version = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    place = subprocess.run(
        [installed / "python", "-c", where], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )

    assert f"llm-proxy-api {__version__}\n" == version.stdout
    assert Path(place.stdout).is_relative_to(installed.parent)


def test_installed_program_serves(serving: str) -> None:
    """With nothing but the wheel and an empty folder, the shipped model streams a whole answer."""
    body = {"model": "demo", "messages": [{"role": "user", "content": "hello"}]}
    request = urllib.request.Request(
        f"{serving}/chat", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.read().endswith(b"data: [DONE]\n\n")


def test_every_import_is_declared(built: Built) -> None:
    """Each distribution that the packages import is a requirement of the wheel, or of an extra that operators choose."""
    imported: set[str] = set()
    for source in sources():
        for node in ast.walk(ast.parse((ROOT / source).read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add((node.module or "").partition(".")[0])
    foreign = imported - sys.stdlib_module_names - NEWER - set(PACKAGES)
    chosen = tuple(f'extra == "{name}"' for name in ("prices", "shared", "import", "local"))
    runtime = {
        canonicalize_name(r.name)
        for r in built.requirements()
        if "extra" not in str(r.marker) or str(r.marker) in chosen
    }

    assert {"pydantic", "tornado"} <= foreign
    assert not {DISTRIBUTIONS.get(name, canonicalize_name(name)) for name in foreign} - runtime


def pins(name: str) -> dict[str, list[Requirement]]:
    """The pins of a requirements file by distribution; one that depends on the Python version has two."""
    found: dict[str, list[Requirement]] = {}
    for line in (ROOT / name).read_text("utf-8").splitlines():
        if line[:1].isalnum():
            requirement = Requirement(line.removesuffix("\\").strip())
            found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


def test_pins_fulfil_the_requirements(built: Built) -> None:
    """The requirements files pin one exact version of all that setup.py asks for, as it asks."""
    for requirement in built.requirements():
        name = canonicalize_name(requirement.name)
        runtime = "extra" not in str(requirement.marker)
        extra = "requirements-docs.txt" if '"docs"' in str(requirement.marker) else "requirements-dev.txt"
        for pin in [
            *(pins("requirements.txt")[name] if runtime else []),
            *pins(extra)[name],
        ]:
            (exact,) = pin.specifier
            assert ("==", True) == (exact.operator, exact.version in requirement.specifier), str(requirement)


def test_tests_run_with_what_is_shipped() -> None:
    """What requirements.txt pins, requirements-dev.txt pins in the same way."""
    runtime, dev = pins("requirements.txt"), pins("requirements-dev.txt")

    assert runtime
    assert runtime == {name: dev[name] for name in runtime}


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt", "requirements-docs.txt"])
def test_pins_have_hashes_and_name_no_index(name: str) -> None:
    """Each pin carries hashes, so no index can slip in another file; none is bound to one index."""
    text = (ROOT / name).read_text("utf-8")

    assert len(re.findall(r"^\w", text, re.MULTILINE)) == len(
        re.findall(r"^\w.*\\\n    --hash", text, re.MULTILINE)
    )
    assert "://" not in text


def contracts() -> dict[str, dict[str, list[str]]]:
    """The import contracts of pyproject.toml by id."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return {contract["id"]: contract for contract in settings["tool"]["importlinter"]["contracts"]}


def test_every_module_has_a_layer() -> None:
    """Each entry of the core stands in the layers contract, which would otherwise not look at it."""
    placed = re.findall(r"[\w.]+", " ".join(contracts()["layers"]["layers"]))
    core = ROOT / "llm_proxy"
    rooms = {
        f"llm_proxy.{path.stem}"
        for path in core.iterdir()
        if (path.suffix == ".py" and path.name != "__init__.py") or (path / "__init__.py").exists()
    }

    assert len(placed) == len(set(placed))
    assert rooms | {"handlers", "providers"} == set(placed), "see pyproject.toml, [tool.importlinter]"


def test_every_endpoint_is_kept_apart() -> None:
    """Each handler module that has routes stands in the contract that keeps endpoints from knowing each other."""
    endpoints = {
        ".".join(p.relative_to(ROOT).with_suffix("").parts)
        for p in (ROOT / "handlers").rglob("*.py")
        if re.search(r"^(root_)?routes\b", p.read_text("utf-8"), re.MULTILINE)
    }

    assert endpoints
    assert endpoints == set(contracts()["endpoints"]["modules"]), "see pyproject.toml, [tool.importlinter]"


def lint(folder: Path) -> tuple[int, str]:
    """Judge the contracts in a copy of the tree: exit status and report."""
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", command, "--no-cache"],
        cwd=folder,
        env=clean_environment(PYTHONPATH=str(folder), NO_COLOR="1", COLUMNS="200"),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the three packages and the contracts."""
    for name in [*PACKAGES, "pyproject.toml"]:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_import_contracts_hold(tree: Path) -> None:
    """In the tree as it is."""
    status, report = lint(tree)

    assert status == 0, report
    assert report.count(" KEPT") == len(contracts())


def test_import_contracts_find_what_is_planted(tree: Path) -> None:
    """On every floor an import of the floor above, in deciding code the event loop, between endpoints each other."""
    floors = [floor.split(" : ") for floor in contracts()["layers"]["layers"]]
    upward = [(lower, above[0]) for above, floor in pairwise(floors) for lower in floor]
    endpoints = contracts()["endpoints"]["modules"]
    planted = [
        *upward,
        *((module, "asyncio") for module in contracts()["pure"]["source_modules"]),
        *pairwise(endpoints),
    ]
    for module, imported in planted:
        path = tree.joinpath(*module.split("."))
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        with file.open("a") as source:
            source.write(f"\nimport {imported}\n")

    status, report = lint(tree)

    assert status != 0
    assert report.count(" BROKEN") == len(contracts()), report
    for module, imported in planted:
        assert re.search(rf"^{module} is not allowed to import {imported}:", report, re.MULTILINE), (
            module,
            imported,
        )
