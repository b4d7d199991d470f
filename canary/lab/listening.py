"""Ports of the lab: opened so that a cancellation in the middle leaves no socket behind."""

import asyncio

from aiohttp import web


async def listen(runner: web.ServerRunner | web.AppRunner, host: str, port: int) -> None:
    """Let `runner` listen; its cleanup closes the port, whatever happens here. Raises OSError.

    asyncio lets go of a listening socket that nobody holds yet when it is cancelled in its last step, so that step is
    always finished.
    """
    opening = asyncio.ensure_future(web.TCPSite(runner, host, port, backlog=1024).start())
    try:
        await asyncio.shield(opening)
    except asyncio.CancelledError:
        await asyncio.wait([opening])
        raise
