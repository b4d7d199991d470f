"""A signal lets what was begun be ended, once."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, click, sys
from canary.cli.ending import run_to_end

async def deed():
    try:
        print("begun", flush=True)
        await asyncio.sleep(30)
    finally:
        await asyncio.sleep(0.5)
        print("ended", flush=True)

@click.command()
def main():
    run_to_end(deed())

main()
"""


@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(signal.SIGINT, 130, id="Ctrl-C"),
        pytest.param(signal.SIGTERM, 143, id="SIGTERM"),
        pytest.param(signal.SIGHUP, 129, id="the terminal is closed"),
    ],
)
def test_a_signal_is_followed_by_the_end_of_what_was_begun(number: signal.Signals, code: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(number)
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (code, "ended\n", "")
