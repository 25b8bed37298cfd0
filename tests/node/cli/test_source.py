import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from formats.magnet import MagnetError
from node.cli import source
from node.cli.exit_status import Failed
from node.cli.source import is_magnet, load, read_magnet, read_torrent

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
HASH = "c12fe1c06bba254a9dc9f519b335aa7c1367a88a"


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Handler], Awaitable[str]]]:
    """Starts a web server on loopback; answers its base URL."""
    runners = []

    async def serve(handler: Handler) -> str:
        runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0)
        await runner.setup()
        runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield serve
    for runner in runners:
        await runner.cleanup()


async def test_a_torrent_from_the_web(torrent: Path, serve) -> None:
    async def handler(request: web.Request) -> web.Response:
        assert request.headers["Accept-Encoding"] == "identity"
        if request.path == "/here":
            raise web.HTTPFound("/there/album.torrent")
        return web.Response(body=torrent.read_bytes())

    base = await serve(handler)
    assert (await load(f"{base}/here")).name == "album"


async def test_c2_a_redirect_without_end(serve) -> None:
    asked = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.path)
        raise web.HTTPFound(f"/{len(asked)}")

    base = await serve(handler)
    with pytest.raises(Failed, match=r"/x sends us on more than 3 times$"):
        await load(f"{base}/x")
    assert len(asked) == 4


async def test_c2_a_redirect_to_a_file(serve) -> None:
    async def handler(request: web.Request) -> web.Response:
        raise web.HTTPFound("file:///etc/passwd")

    base = await serve(handler)
    with pytest.raises(Failed, match=r"points to file:///etc/passwd, which is not on the web$"):
        await load(f"{base}/x")


async def test_c3_a_body_without_end(serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_TORRENT_SIZE", 100_000)

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 10_000)

    base = await serve(handler)
    with pytest.raises(Failed, match=r"is larger than 100,000 bytes: not a torrent$"):
        await load(f"{base}/x")


async def test_c3_a_declared_length_beyond_the_limit(serve) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "10000001"})
        await response.prepare(request)
        return response

    base = await serve(handler)
    with pytest.raises(Failed, match=r"is larger than 10,000,000 bytes: not a torrent$"):
        await load(f"{base}/x")


async def test_c3_a_server_that_falls_silent(serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "FETCH_SILENCE", 0.05)
    enough = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        await enough.wait()
        return web.Response()

    base = await serve(handler)
    with pytest.raises(Failed, match=r"/x: the server does not answer in time$"):
        await load(f"{base}/x")
    enough.set()


@pytest.mark.parametrize("status", [404, 503])
async def test_a_server_that_has_no_torrent(serve, status: int) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status)

    base = await serve(handler)
    with pytest.raises(Failed, match=f"/x: the server answers {status} "):
        await load(f"{base}/x")


async def test_a_page_instead_of_a_torrent(serve) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="<html>please log in</html>")

    base = await serve(handler)
    with pytest.raises(Failed, match="/x is not a valid torrent: "):
        await load(f"{base}/x")


async def test_nobody_listens(serve) -> None:
    with pytest.raises(Failed, match=r"cannot connect to 127\.0\.0\.1:1: "):
        await load("http://127.0.0.1:1/x")


async def test_an_address_that_is_none() -> None:
    with pytest.raises(Failed, match=r"is not a web address$"):
        await load("http://")


@pytest.mark.parametrize("text", [f"magnet:?xt=urn:btih:{HASH}", HASH, HASH.upper()])
def test_magnets_and_info_hashes_are_recognised(text: str) -> None:
    assert is_magnet(text)
    assert read_magnet(text).info_hash.hex() == HASH


def test_base32_is_an_info_hash_too() -> None:
    assert is_magnet("A" * 32)
    assert read_magnet("A" * 32).info_hash == bytes(20)


def test_a_broken_magnet_is_told_as_such() -> None:
    with pytest.raises(MagnetError):
        read_magnet("magnet:?xt=urn:btih:beef")


def test_a_file_that_is_named_like_an_info_hash_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / HASH).touch()
    assert not is_magnet(HASH)


def test_files_that_are_no_torrents(tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"missing: there is no such file$"):
        read_torrent(tmp_path / "missing")
    with pytest.raises(Failed, match=r"is a folder, not a \.torrent file$"):
        read_torrent(tmp_path)
    (tmp_path / "huge").write_bytes(b"x" * 10_000_001)
    with pytest.raises(Failed, match=r"huge is larger than 10,000,000 bytes: not a torrent$"):
        read_torrent(tmp_path / "huge")
