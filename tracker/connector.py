"""aiohttp's connection step, taken through `loop.create_connection`.

aiohttp opens its own sockets; everswarm's come from the loop, so that a simulated loop can supply
them. `BaseConnector._create_connection` is the one step that each of aiohttp's connectors replaces.
The host is always a numeric address that was checked before: nothing is resolved here, and nothing
is kept open afterwards, since the next announce is half an hour away.
"""

import asyncio
import ssl
from typing import TYPE_CHECKING

from aiohttp import BaseConnector, ClientConnectorCertificateError, ClientConnectorSSLError
from aiohttp.client_proto import ResponseHandler

if TYPE_CHECKING:
    from aiohttp import ClientRequest, ClientTimeout
    from aiohttp.tracing import Trace


class LoopConnector(BaseConnector):
    """Connects to numeric addresses through the loop, from `local_addr` if given."""

    def __init__(self, *, local_addr: tuple[str, int] | None, limit: int) -> None:
        super().__init__(force_close=True, limit=limit)
        self._local_addr = local_addr

    async def _create_connection(
        self, req: "ClientRequest", traces: "list[Trace]", timeout: "ClientTimeout"
    ) -> ResponseHandler:
        """Raises OSError, TimeoutError, or aiohttp's errors about TLS."""
        host, port = req.url.raw_host, req.url.port
        assert host is not None
        assert port is not None
        tls: ssl.SSLContext | bool | None = None
        if req.is_ssl():
            tls = req.ssl if isinstance(req.ssl, ssl.SSLContext) else True
        try:
            async with asyncio.timeout(timeout.sock_connect):
                _, protocol = await self._loop.create_connection(
                    self._factory,
                    host,
                    port,
                    ssl=tls,
                    server_hostname=(req.server_hostname or host) if tls else None,
                    local_addr=self._local_addr,
                )
        except ssl.SSLCertVerificationError as error:
            raise ClientConnectorCertificateError(req.connection_key, error) from error
        except ssl.SSLError as error:
            raise ClientConnectorSSLError(req.connection_key, error) from error
        return protocol
