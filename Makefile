# `make demo` and `make test` are all one needs; each sets up what it uses.
.PHONY: setup demo test check controlplane e2e soak fuzz calibrate bench
setup:        ; @sh scripts/setup.sh
demo: setup   ; @.venv/bin/canary demo
test: setup   ; @sh scripts/test.sh
check: setup  ; @sh scripts/check.sh
controlplane: ; @sh e2e/controlplane/build.sh
e2e: setup controlplane ; @.venv/bin/pytest --timeout 900 e2e
soak: setup controlplane ; @.venv/bin/python -m e2e.soak --docs
fuzz: setup   ; @.venv/bin/python -m tests.fuzz
calibrate: setup ; @.venv/bin/python scripts/decisions.py
bench: setup  ; @.venv/bin/python scripts/bench.py
