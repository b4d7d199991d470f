"""Coroutines that clean up when a signal comes: what `canary lab` and `canary demo` began must not outlive them."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import TypeVar

import click

T = TypeVar("T")

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_to_end(deed: Coroutine[None, None, T]) -> T:
    """Run it; a signal cancels it, and once it has cleaned up the process exits with 128 and the signal's number."""
    got: list[signal.Signals] = []

    async def supervised() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.create_task(deed)

        def end(number: signal.Signals) -> None:
            if not got:  # the second one would cut the cleaning up short
                got.append(number)
                task.cancel()

        for number in _SIGNALS:
            loop.add_signal_handler(number, end, number)
        return await task

    try:
        return asyncio.run(supervised())
    except asyncio.CancelledError:
        if got:
            raise click.exceptions.Exit(128 + got[0]) from None
        raise
