import asyncio
import io
import json
import random
from typing import Any

import pytest

from formats.errors import ConfigError
from node.cli import tracking
from node.cli.addresses import HostPort
from node.cli.options import LogLevel
from node.cli.tracking import announce_url, run_tracker
from tracker.server import start_tracker
from tracker.swarm import Swarms
from tracker.udp_server import start_udp_tracker


@pytest.mark.parametrize(
    ("host", "start"),
    [
        ("127.0.0.1", "http://127.0.0.1:"),
        ("0.0.0.0", "http://127.0.0.1:"),
        ("::1", "http://[::1]:"),
        ("::", "http://[::1]:"),
    ],
)
async def test_an_announce_url_that_works_on_this_machine(host: str, start: str) -> None:
    try:
        server = await start_tracker(host=host, port=0, rng=random.Random(1))
    except ConfigError:
        pytest.skip("this machine has no such address")
    assert announce_url(server) == f"{start}{server.endpoint.port}/announce"
    await server.close()


async def test_the_udp_url_that_works_on_this_machine() -> None:
    swarms = Swarms(rng=random.Random(1))
    server = await start_udp_tracker(host="0.0.0.0", port=0, rng=random.Random(2), swarms=swarms)
    assert announce_url(server) == f"udp://127.0.0.1:{server.endpoint.port}/announce"
    await server.close()


async def run_for_a_moment(**changed: Any) -> None:
    usual: dict[str, Any] = {
        "udp": None,
        "interval": 60,
        "allow": (),
        "trusted_proxies": (),
        "json": True,
        "log_level": LogLevel.WARNING,
    }
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await run_tracker(HostPort("127.0.0.1", 0), **usual | changed)


async def test_it_tells_who_is_there_only_when_that_changed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tracking, "REPORT_INTERVAL", 0.001)
    await run_for_a_moment()
    events = [json.loads(line) for line in io.StringIO(capsys.readouterr().out)]
    assert [event["event"] for event in events] == ["listening"]


async def test_udp_is_told_of_beside_http(capsys: pytest.CaptureFixture[str]) -> None:
    await run_for_a_moment(udp=HostPort("127.0.0.1", 0))
    event = json.loads(capsys.readouterr().out)
    assert event["udp_announce"] == f"udp://{event['udp_endpoint']}/announce"
    await run_for_a_moment(udp=HostPort("127.0.0.1", 0), json=False)
    out, errors = capsys.readouterr()
    http, udp = out.splitlines()
    assert http.startswith("http://127.0.0.1:")
    assert udp.startswith("udp://127.0.0.1:")
    assert errors == f"listening on {http[7:-9]} and UDP {udp[6:-9]}, Ctrl-C ends it\n"


async def test_a_udp_port_in_use() -> None:
    swarms = Swarms(rng=random.Random(1))
    server = await start_udp_tracker(host="127.0.0.1", port=0, rng=random.Random(2), swarms=swarms)
    with pytest.raises(ConfigError, match=r"^cannot listen on UDP 127\.0\.0\.1 port"):
        await run_tracker(
            HostPort("127.0.0.1", 0),
            udp=HostPort(*server.endpoint),
            interval=60,
            allow=(),
            trusted_proxies=(),
            json=True,
            log_level=LogLevel.WARNING,
        )
    await server.close()


async def test_a_hash_that_is_none() -> None:
    with pytest.raises(ConfigError, match=r"^--allow: not an info hash"):
        await run_tracker(
            HostPort("127.0.0.1", 0),
            udp=None,
            interval=60,
            allow=("xyz",),
            trusted_proxies=(),
            json=False,
            log_level=LogLevel.WARNING,
        )


async def test_a_proxy_that_is_none() -> None:
    with pytest.raises(ConfigError, match=r"^a trusted proxy must be a numeric address"):
        await run_tracker(
            HostPort("127.0.0.1", 0),
            udp=None,
            interval=60,
            allow=(),
            trusted_proxies=("proxy.example",),
            json=False,
            log_level=LogLevel.WARNING,
        )
