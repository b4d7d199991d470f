"""Who may know whom, held by import-linter's contracts, and what `core` may use of the standard library."""

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINT = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache"]

PURE = {
    "bisect",
    "collections",
    "collections.abc",
    "dataclasses",
    "datetime",
    "enum",
    "functools",
    "json",
    "math",
    "re",
    "types",
    "typing",
    "urllib.parse",
}
"""What `core` may import besides itself and `canary.errors`: no clock, no chance, no I/O, no log, no task."""


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(LINT, cwd=tree, capture_output=True, text=True, check=False)


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import():
                yield from (name.name for name in node.names)
            case ast.ImportFrom():
                yield node.module or ""
            case _:
                pass


def test_the_contracts_are_kept() -> None:
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("path", sorted((ROOT / "canary" / "core").glob("*.py")), ids=lambda path: path.stem)
def test_core_is_pure(path: Path) -> None:
    foreign = {name for name in imports(path) if name not in PURE and not name.startswith("canary.")}
    assert foreign == set()


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy what import-linter reads, to plant violations in."""
    tree = tmp_path_factory.mktemp("tree")
    shutil.copy(ROOT / "pyproject.toml", tree)
    shutil.copytree(ROOT / "canary", tree / "canary", ignore=shutil.ignore_patterns("__pycache__"))
    return tree


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        pytest.param("core/planted.py", "import canary.adapters.api", "core knows nobody", id="core knows an adapter"),
        pytest.param("core/planted.py", "import canary.runtime", "core knows nobody", id="core knows the loop"),
        pytest.param("runtime/planted.py", "import canary.adapters.api", "do not meet", id="the loop knows an adapter"),
        pytest.param("adapters/planted.py", "import canary.runtime", "do not meet", id="an adapter knows the loop"),
        pytest.param("errors.py", "import canary.core", "core knows nobody", id="errors know core"),
        pytest.param("newcomer.py", "", "core knows nobody", id="a module that no layer holds"),
        pytest.param("cli/run.py", "import canary.lab", "cannot depend", id="the controller knows the lab"),
        pytest.param("cli/planted.py", "import canary.lab.realplane", "cannot depend", id="a command knows the lab"),
        pytest.param("adapters/planted.py", "import canary.lab", "do not meet", id="an adapter knows the lab"),
        pytest.param("lab/planted.py", "import canary.runtime", "shares adapters", id="the lab knows the loop"),
        pytest.param("adapters/planted.py", "import canary.adapters.cluster", "one outside", id="two adapters meet"),
        pytest.param("cli/planted.py", "import kubernetes.aio", "through adapters only", id="a command asks"),
        pytest.param("adapters/planted.py", "import httpx", "who have a webhook", id="another adapter pays for httpx"),
        pytest.param("cli/planted.py", "import rich.table", "how a terminal", id="a command paints"),
    ],
)
def test_a_violation_is_found(copy: Path, module: str, line: str, contract: str) -> None:
    path = copy / "canary" / module
    before = path.read_text() if path.exists() else None
    path.write_text(f"{before or ''}\n{line}\n")
    try:
        result = lint(copy)
    finally:
        path.unlink() if before is None else path.write_text(before)
    said = " ".join(result.stdout.split())
    assert result.returncode == 1, said + result.stderr
    assert any(contract in name for name in said.split("BROKEN")[:-1]), said
    assert f"canary.{module.removesuffix('.py').replace('/', '.')}" in said
