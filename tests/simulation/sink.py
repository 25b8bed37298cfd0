"""A server that swallows, and clients that feed it."""

import asyncio

from simulation import Host


def now() -> float:
    return asyncio.get_running_loop().time()


class Sink:
    """A server that counts what each connection brought and how it ended."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.received: list[int] = []
        self.ends: list[tuple[float, str]] = []

    async def __aenter__(self) -> "Sink":
        self.server = await asyncio.start_server(self._serve, self.host.address, 80)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        await self.server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(self.received)
        self.received.append(0)
        end = "end"
        try:
            while data := await reader.read(65_536):
                self.received[number] += len(data)
        except OSError as error:
            end = type(error).__name__
        self.ends.append((now(), end))
        writer.close()


async def connect(client: Host, server: Host) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(server.address, 80, local_addr=(client.address, 0))


async def send(client: Host, server: Host, size: int) -> None:
    _, writer = await connect(client, server)
    writer.write(bytes(size))
    await writer.drain()
    writer.close()
    await writer.wait_closed()
