#!/bin/sh
# Runs the tests, and fails when a branch of the decisions in canary/core was not taken by any of them.
set -eu
cd "$(dirname "$0")/.."
coverage=.venv/bin/coverage

$coverage erase
$coverage run -m pytest "$@"
$coverage combine --quiet
$coverage report --include 'canary/core/*' --fail-under 100
