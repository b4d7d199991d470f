#!/bin/sh
# Everything that can be said about the code without running it. Reports all that fails, not only the first.
set -u
cd "$(dirname "$0")/.."
failed=0

run() {
	echo "== $*"
	"$@" || failed=1
}

run .venv/bin/ruff check
run .venv/bin/ruff format --check
run .venv/bin/mypy
run .venv/bin/lint-imports --no-cache --no-logo
run .venv/bin/interrogate --quiet canary/core canary/runtime
run sh -n scripts/setup.sh
if UV_PROJECT_ENVIRONMENT=.cache/release sh scripts/setup.sh --only-group release; then
	run .cache/release/bin/hadolint Dockerfile
	run .cache/release/bin/python scripts/audit.py uv.lock
else
	echo "== no package index: the Dockerfile is not linted, the packages are not audited"
fi
if helm=$(PATH=$PATH:$HOME/go/bin command -v helm); then
	run "$helm" lint --strict charts/canary
else
	echo "== no helm: charts/canary is not linted"
fi
exit $failed
