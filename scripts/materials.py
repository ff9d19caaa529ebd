"""``materials.py TOOL SITE WHEEL OUT``: the bill of materials of an installation, as CycloneDX.

What lies in the directory SITE is told by the tool ``cyclonedx-py`` in TOOL; which of it is the program itself, and what the WHEEL
carries of others' files (below a folder ``vendor``, each with a ``NAME.license.txt``), it does not know: that is added here.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAME = "llm-proxy-api"


def bill(tool: Path, site: Path, wheel: Path) -> dict[str, Any]:
    """The document, the same for the same input."""
    found = told(site, tool)
    (own,) = (component for component in found["components"] if component["name"] == NAME)
    found["components"] = [component for component in found["components"] if component is not own]
    own.pop("externalReferences", None)  # where the file was on the machine that has built it
    own["type"] = "application"
    own["purl"] = f"pkg:pypi/{NAME}@{own['version']}"
    own["hashes"] = [{"alg": "SHA-256", "content": hashlib.sha256(wheel.read_bytes()).hexdigest()}]
    found["metadata"]["component"] = own
    vendored = list(components_in(wheel))
    found["components"] += vendored
    for entry in found["dependencies"]:
        if entry["ref"] == own["bom-ref"]:
            entry["dependsOn"] = sorted([*entry.get("dependsOn", ()), *(one["bom-ref"] for one in vendored)])
    found["dependencies"] += [{"ref": one["bom-ref"]} for one in vendored]
    return found


#: The tool asks a Python for its path; the folder of the tool itself must not be in it.
_RUN = """
import runpy, sys
sys.path.insert(0, sys.argv.pop(1))
runpy.run_module("cyclonedx_py", run_name="__main__", alter_sys=True)
"""


def told(site: Path, tool: Path) -> dict[str, Any]:
    """What the tool says of the packages there."""
    flags = ["environment", "-S", "--output-reproducible", "--short-PURLs", sys.executable]
    done = subprocess.run(
        [sys.executable, "-c", _RUN, str(tool), *flags],
        env={**os.environ, "PYTHONPATH": str(site)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def components_in(wheel: Path) -> Iterator[dict[str, Any]]:
    """What the wheel carries of others: each ``vendor/NAME.license.txt`` stands for the files ``vendor/NAME.*``."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        for license_name in sorted(name for name in names if name.endswith(".license.txt")):
            stem = license_name.removesuffix(".license.txt")
            text = archive.read(license_name).decode("utf-8", "replace")
            files = sorted(name for name in names if name.startswith(stem + ".") and name != license_name)
            first = archive.read(files[0]).decode("utf-8", "replace")[:2000] if files else ""
            version = re.search(r"\bv?(\d+\.\d+\.\d+)\b", first) or re.search(r"\bv?(\d+\.\d+\.\d+)\b", text)
            yield {
                "type": "library",
                "bom-ref": os.path.basename(stem),
                "name": os.path.basename(stem),
                **({"version": version[1]} if version else {}),
                "licenses": [
                    {"license": {"name": text.strip().partition("\n")[0], "text": {"content": text}}}
                ],
                "hashes": [
                    {"alg": "SHA-256", "content": hashlib.sha256(archive.read(name)).hexdigest()}
                    for name in files[:1]
                ],
            }


if __name__ == "__main__":
    tool, site, wheel, out = map(Path, sys.argv[1:])
    out.write_text(json.dumps(bill(tool, site, wheel), indent=1, sort_keys=True) + "\n")
