"""The kubelet's probes: real requests, which the pod's proxy counts like any others."""

import aiohttp

from canary.lab.addresses import loopback
from canary.lab.inbound import KUBELET
from canary.lab.pods import ADMIN_PORT, Pod

TIMEOUT = 1.0  # seconds, the kubelet's default


class Prober:
    """Asks pods whether they are ready."""

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT),
            headers={"User-Agent": f"{KUBELET}1.36"},
        )

    async def close(self) -> None:
        """Close what is open."""
        await self._session.close()

    async def ask_app(self, pod: Pod, ip: str) -> bool:
        """Probe the app at the path of its readiness probe."""
        return pod.probe is not None and await self._get(
            f"http://{loopback(ip)}:{pod.ports.get('', 0)}{pod.probe.path}"
        )

    async def ask_proxy(self, ip: str) -> bool:
        """Probe the proxy: it is ready once it has a certificate, and stays so."""
        return await self._get(f"http://{loopback(ip)}:{ADMIN_PORT}/ready")

    async def _get(self, url: str) -> bool:
        try:
            async with self._session.get(url) as response:
                return response.status < 400  # noqa: PLR2004 - the kubelet's own bound
        except (aiohttp.ClientError, OSError):
            return False
