"""Finding and fetching Prometheus, with programs in the place of apt-get and dpkg-deb that do as told."""

from pathlib import Path

import pytest

from canary.lab.promfetch import NoPrometheus, cache_home, find_prometheus

DOWNLOADS = 'case "$*" in *download*) touch prometheus_2.42_amd64.deb;; esac'
NEEDS_LISTS = (
    'case "$*" in *update*) touch "$PWD/updated";; *lists=*download*) touch prometheus_1_all.deb;; *) exit 100;; esac'
)
UNPACKS = 'mkdir -p "$3/usr/bin"; printf "#!/bin/sh\\n" > "$3/usr/bin/prometheus"; chmod +x "$3/usr/bin/prometheus"'


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a machine with an empty PATH but for coreutils, and an empty cache."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return programs


def install(programs: Path, name: str, does: str) -> None:
    script = programs / name
    script.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{does}\n")
    script.chmod(0o755)


async def test_one_on_path_is_taken(machine: Path) -> None:
    install(machine, "prometheus", "true")
    assert await find_prometheus() == machine / "prometheus"


async def test_one_in_the_cache_needs_no_fetching(machine: Path) -> None:
    program = cache_home() / "usr" / "bin" / "prometheus"
    program.parent.mkdir(parents=True)
    program.touch()
    assert await find_prometheus() == program


@pytest.mark.parametrize(
    "apt_get",
    [pytest.param(DOWNLOADS, id="with the machine's lists"), pytest.param(NEEDS_LISTS, id="with lists of its own")],
)
async def test_else_the_package_is_unpacked_into_the_cache(machine: Path, apt_get: str) -> None:
    install(machine, "apt-get", apt_get)
    install(machine, "dpkg-deb", UNPACKS)
    assert await find_prometheus() == cache_home() / "usr" / "bin" / "prometheus"
    assert [entry.name for entry in cache_home().parent.iterdir()] == ["prometheus"]


async def test_a_download_that_fails_says_what_to_do_and_leaves_nothing(machine: Path) -> None:
    install(machine, "apt-get", "echo E: no network; exit 100")
    install(machine, "dpkg-deb", "true")
    with pytest.raises(NoPrometheus, match=r"put a prometheus on PATH.*apt-get update.*E: no network"):
        await find_prometheus()
    assert list(cache_home().parent.iterdir()) == []


@pytest.mark.usefixtures("machine")
async def test_a_machine_without_apt_is_told_to_bring_one() -> None:
    with pytest.raises(NoPrometheus, match="put a prometheus on PATH, for no apt-get to fetch it with"):
        await find_prometheus()
