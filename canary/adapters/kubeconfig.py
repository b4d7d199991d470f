"""Kubeconfig files as kubectl reads them: one, or a list as KUBECONFIG may hold, where the first to say a thing counts.

The official client merges clusters, users and contexts so, but of several current contexts it takes the last. Used by
`api`, and by the commands for the namespace.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeAlias, cast

import yaml

Json: TypeAlias = dict[str, object]

DEFAULT: Final = Path("~/.kube/config")


def files(kubeconfig: Path | None) -> list[Path]:
    """List the files that are meant and there."""
    named = str(kubeconfig or os.environ.get("KUBECONFIG") or DEFAULT).split(os.pathsep)
    return [path for name in named if name and (path := Path(name).expanduser()).exists()]


def current_context(kubeconfig: Path | None) -> str:
    """Name the context that the first of the files wants; "" where none does."""
    return next((name for config in _parsed(kubeconfig) if (name := str(config.get("current-context") or ""))), "")


def context_namespace(kubeconfig: Path | None) -> str:
    """Read the namespace of the current context; "" where there is none."""
    current = current_context(kubeconfig)
    for config in _parsed(kubeconfig):
        for entry in cast("list[Json]", config.get("contexts") or []):
            if entry.get("name") == current:
                return str(cast("Json", entry.get("context") or {}).get("namespace") or "")
    return ""


def _parsed(kubeconfig: Path | None) -> Iterator[Json]:
    for path in files(kubeconfig):
        try:
            config = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError):  # whoever connects says what is wrong with it
            continue
        if isinstance(config, dict):
            yield config
