"""Ports of the lab: opened so that a cancellation in the middle leaves no socket behind."""

import asyncio
import logging

from aiohttp import web


def _is_news(record: logging.LogRecord) -> bool:
    """Drop what aiohttp says of a client that leaves in the very step in which its server is cleaned up."""
    return record.exc_info is None or not isinstance(record.exc_info[1], asyncio.InvalidStateError)


async def listen(runner: web.ServerRunner | web.AppRunner, host: str, port: int) -> None:
    """Let `runner` listen; its cleanup closes the port, whatever happens here. Raises OSError.

    asyncio lets go of a listening socket that nobody holds yet when it is cancelled in its last step, so that step is
    always finished.
    """
    logging.getLogger("aiohttp.server").addFilter(_is_news)
    opening = asyncio.ensure_future(web.TCPSite(runner, host, port, backlog=1024).start())
    try:
        await asyncio.shield(opening)
    except asyncio.CancelledError:
        await asyncio.wait([opening])
        raise
