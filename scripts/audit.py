"""Holds every package that a uv.lock pins against the known vulnerabilities. Called by scripts/check.sh.

Ends with 1 when there is one. What pip-audit's service does not know it passes over, and an index that serves no
advisories knows nothing: so what was not looked up is said. That alone fails nothing, for code can be checked offline.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path


def audit(lock: str, *options: str) -> int:
    """Audit a lock; options are pip-audit's."""
    answered = []
    for pins in _files(lock):
        ran = _asked(pins, options)
        try:
            answered += json.loads(ran.stdout)["dependencies"]
        except ValueError:
            why = ran.stderr.strip().splitlines() or ["no answer"]
            return _say(0, f"not audited: index unreachable ({why[-1][:200]})")
    return _judge(answered)


def _asked(pins: dict[str, str], options: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as pinned:
        pinned.write("".join(f"{name}=={version}\n" for name, version in pins.items()))
        pinned.flush()
        quiet = ("--progress-spinner", "off", "--desc", "off", "--format", "json")
        command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--no-deps", *quiet]
        command += ["--requirement", pinned.name, *options]
        return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments


def _files(lock: str) -> list[dict[str, str]]:
    """Sort the pins into files that name each package once: a lock may pin another version for another Python."""
    files: list[dict[str, str]] = []
    for package in tomllib.loads(Path(lock).read_text())["package"]:
        if "registry" in package["source"]:
            free = next((pins for pins in files if package["name"] not in pins), None)
            if free is None:
                files.append(free := {})
            free[package["name"]] = package["version"]
    return files


def _judge(packages: list[dict[str, list[dict[str, str]]]]) -> int:
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    if len(unknown) == len(packages):
        return _say(0, f"not audited: index unreachable (it knows none of {len(packages)} packages)")
    found = [
        f"{package['name']} {package['version']}: {known['id']}, mended in {', '.join(known['fix_versions']) or 'none'}"
        for package in packages
        for known in package.get("vulns", ())
    ]
    lines = [f"not audited: {name}, which the index does not know" for name in unknown]
    audited = f"{len(packages) - len(unknown)} of {len(packages)} packages audited"
    return _say(1 if found else 0, *lines, *found, f"{audited}, {len(found)} known vulnerabilities")


def _say(code: int, *lines: str) -> int:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return code


if __name__ == "__main__":
    sys.exit(audit(*sys.argv[1:]))
