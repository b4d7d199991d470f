"""The chart as Helm renders it, by kind and name."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import cast

import pytest
import yaml

from canary.adapters.api import Json

CHART = Path(__file__).parents[2] / "charts" / "canary"
HELM = shutil.which("helm", path=f"{os.environ['PATH']}{os.pathsep}{Path.home() / 'go' / 'bin'}")
NAMED = ("--set", "namespaces={a,b}")

Objects = dict[tuple[str, str, str], Json]

needs_helm = pytest.mark.skipif(HELM is None, reason="no helm on PATH")


def helm(*words: str) -> subprocess.CompletedProcess[str]:
    assert HELM is not None
    where = ("--namespace", "canary-system", "--kube-version", "1.31.0")
    command = [HELM, "template", "canary", str(CHART), *where, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


def rendered(*words: str) -> Objects:
    """Render the chart; its objects by kind, namespace and name."""
    result = helm(*words)
    assert result.returncode == 0, result.stderr
    objects = [cast("Json", obj) for obj in yaml.safe_load_all(result.stdout) if obj]
    named = {(str(obj["kind"]), str(at(obj, "metadata").get("namespace", "")), name_of(obj)): obj for obj in objects}
    assert len(named) == len(objects)
    return named


def the(kind: str, *words: str) -> Json:
    """Render the chart and pick the only object of a kind."""
    (found,) = [obj for (k, _, _), obj in rendered(*words).items() if k == kind]
    return found


def kinds(*words: str) -> set[str]:
    return {kind for kind, _, _ in rendered(*words)}


def name_of(obj: Json) -> str:
    return str(at(obj, "metadata")["name"])


def at(obj: object, *path: str | int) -> Json:
    """Walk into an object."""
    for part in path:
        obj = obj[part] if isinstance(obj, list) and isinstance(part, int) else cast("Json", obj)[str(part)]
    return cast("Json", obj)


def pods(*words: str) -> dict[str, Json]:
    """Render the chart; every pod it makes, by the kind of its maker: metadata and spec."""
    found = {}
    for (kind, _, _), obj in rendered(*words).items():
        if kind == "Pod":
            found[kind] = obj
        elif kind in ("Deployment", "Job"):
            found[kind] = at(obj, "spec", "template")
    return found
