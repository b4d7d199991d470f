#!/bin/sh
# Makes .venv exactly as uv.lock says. Every make target that needs it runs this first; the second time takes a moment.
# Arguments are uv's: `UV_PROJECT_ENVIRONMENT=.cache/release sh scripts/setup.sh --only-group release` makes another one.
# Needs Python 3.11 or later and a package index, nothing else: uv is used if it is on PATH, else fetched into .cache.
# Changes nothing outside the repository, unless root has to install python3-venv.
set -eu
cd "$(dirname "$0")/.."
home=$PWD/.cache/uv

say() { echo "setup: $*" >&2; }

# Debian's python3 comes without venv and pip. `pip --target` also works where the system's Python belongs to the distribution.
with_venv() { python3 -m venv "$home" && "$home/bin/pip" install --quiet uv; }
with_pip() { python3 -m pip install --quiet --target "$home" uv; }
with_root() { [ "$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv >&2 && with_venv; }
with_wheel() { # the distribution's pip, unpacked, with package lists of our own
	mkdir -p "$home/lists/partial" "$home/archives/partial" && cd "$home" || return 1
	apt="-o Dir::State::lists=$home/lists -o Dir::Cache=$home -o APT::Sandbox::User="
	apt-get $apt -qq update && apt-get $apt -qq download python3-pip-whl && dpkg-deb -x python3-pip-whl_*.deb wheel || return 1
	PYTHONPATH=$(echo "$home"/wheel/usr/share/python-wheels/pip-*.whl) with_pip
}

uv=$(command -v uv || echo "$home/bin/uv")
if ! [ -x "$uv" ]; then
	python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
		say "Python 3.11 or later is needed as python3"
		exit 1
	}
	mkdir -p "$home"
	for way in with_venv with_pip with_root with_wheel; do
		say "fetching uv ($way)"
		rm -rf "$home"
		if ("$way") 2>"$home.log" && [ -x "$uv" ]; then
			break
		fi
	done
	rm -rf "$home/lists" "$home/archives" "$home/wheel" "$home"/*.deb
	[ -x "$uv" ] || {
		cat "$home.log" >&2
		say "uv could not be fetched; install it (https://docs.astral.sh/uv) or python3-venv, and try again"
		exit 1
	}
fi
exec "$uv" sync --locked --quiet "$@"
