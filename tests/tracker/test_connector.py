"""`tracker/connector.py` stands on one private step of aiohttp; these fail if aiohttp changes it."""

import asyncio
import inspect
from typing import Any

import aiohttp
import pytest

from tracker.connector import LoopConnector


def test_aiohttp_still_has_the_step_that_is_replaced() -> None:
    step = inspect.signature(aiohttp.BaseConnector._create_connection)
    assert list(step.parameters) == ["self", "req", "traces", "timeout"]
    for connector in aiohttp.TCPConnector, aiohttp.UnixConnector:
        assert "_create_connection" in vars(connector)
    request = inspect.signature(aiohttp.ClientSession._request).parameters
    assert {"server_hostname", "ssl", "allow_redirects"} <= set(request)


async def test_connections_are_made_by_the_loop_from_the_local_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    calls: list[tuple[Any, ...]] = []

    async def create_connection(factory: Any, host: str, port: int, **options: Any) -> Any:
        calls.append((host, port, options))
        raise ConnectionRefusedError(111, "refused")

    monkeypatch.setattr(loop, "create_connection", create_connection)
    connector = LoopConnector(local_addr=("127.0.0.5", 0), limit=10)
    async with aiohttp.ClientSession(connector=connector) as session:
        with pytest.raises(OSError, match="refused"):
            await session.get("http://192.0.2.1:6969/announce")
        with pytest.raises(OSError, match="refused"):
            await session.get("https://[2001:db8::1]/announce", server_hostname="tracker.test")
    (host, port, plain), (host6, port6, secure) = calls
    assert (host, port) == ("192.0.2.1", 6969)
    assert plain == {"ssl": None, "server_hostname": None, "local_addr": ("127.0.0.5", 0)}
    assert (host6, port6) == ("2001:db8::1", 443)
    assert secure["ssl"] is True
    assert secure["server_hostname"] == "tracker.test"


async def test_nothing_is_kept_open() -> None:
    connector = LoopConnector(local_addr=None, limit=10)
    assert connector.force_close
    await connector.close()
