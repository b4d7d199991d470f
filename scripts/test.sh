#!/bin/sh
# Runs the tests, the fast ones first, and fails when a branch of the decisions in canary/core was not taken by any of them.
set -eu
cd "$(dirname "$0")/.."
coverage=.venv/bin/coverage

$coverage erase
if [ $# -gt 0 ]; then
	exec $coverage run -m pytest "$@"
fi
mutants=tests/core/test_decide_mutants.py
cores="-n auto --dist loadfile"
$coverage run -m pytest $cores tests/core tests/runtime --ignore $mutants # decisions and loop: less than a minute
.venv/bin/pytest $cores $mutants # the tests' own test
$coverage run -m pytest --ignore tests/core --ignore tests/runtime # against real servers and sockets
$coverage combine --quiet
$coverage report --include 'canary/core/*' --fail-under 100
$coverage report --skip-covered --omit 'canary/core/*' | tail -n 40
