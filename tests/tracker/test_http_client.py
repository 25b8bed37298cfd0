import asyncio
import gzip
import random
import socket
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from formats.endpoint import Endpoint
from formats.identifiers import InfoHash, PeerId
from tracker.announce import AnnounceRequest, Event, SwarmCounts
from tracker.errors import TrackerError, TrackerFailure
from tracker.http_client import ClientLimits, HttpTrackers
from tracker.server import start_tracker

PEM = Path(__file__).with_name("tracker.test.pem")
REQUEST = AnnounceRequest(InfoHash(bytes(range(20))), PeerId(b"-ES0100-abcdefghijkl"), 6881, left=5)
BODY = b"d8:intervali900e5:peers6:\1\2\3\4\x1a\xe1e"
PEERS = (Endpoint("1.2.3.4", 6881),)
FAST = ClientLimits(idle_timeout=0.1, total_timeout=0.3)

Handler = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


def page(status: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@asynccontextmanager
async def server(
    answer: bytes | Handler, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that gives every request the same answer: (port, heads of the requests)."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            heads.append(head)
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(head, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield listening.sockets[0].getsockname()[1], heads
    finally:
        listening.close()
        await asyncio.sleep(0)


@asynccontextmanager
async def trackers(
    limits: ClientLimits | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[HttpTrackers]:
    owner = HttpTrackers(limits=limits, tls=tls)
    try:
        yield owner
    finally:
        await owner.close()


async def error_of(
    answer: bytes | Handler, *, path: str = "/announce", limits: ClientLimits | None = None
) -> TrackerError:
    async with server(answer) as (port, _), trackers(limits) as owner:
        tracker = owner.tracker(f"http://127.0.0.1:{port}{path}", trusted=True)
        with pytest.raises(TrackerError) as raised:
            await tracker.announce(REQUEST)
    return raised.value


async def test_our_client_and_our_tracker() -> None:
    site = await start_tracker(host="127.0.0.1", port=0, rng=random.Random(1))
    async with trackers() as owner:
        tracker = owner.tracker(site.announce_url, trusted=False)
        first = await tracker.announce(REQUEST._replace(event=Event.STARTED))
        assert first.peers == ()
        assert first.external_ip == "127.0.0.1"
        assert 1800 <= first.interval <= 1980
        second = await tracker.announce(REQUEST._replace(port=6882, left=0))
        assert second.peers == (Endpoint("127.0.0.1", 6881),)
        scrapers = owner.tracker(site.announce_url, trusted=True)
        assert await scrapers.scrape([REQUEST.info_hash]) == {
            REQUEST.info_hash: SwarmCounts(complete=1, incomplete=1, downloaded=0)
        }
        await tracker.announce(REQUEST._replace(event=Event.STOPPED))
        assert site.swarms.peers == 1
    await site.close()


async def test_the_request_is_what_it_should_be() -> None:
    async with server(page("200 OK", BODY)) as (port, heads), trackers() as owner:
        url = f"http://127.0.0.1:{port}/a%2fb/announce?passkey=%41b"
        response = await owner.tracker(url, trusted=True).announce(REQUEST)
    assert response.peers == PEERS
    line, *headers = heads[0].decode().split("\r\n")
    assert line.startswith(
        "GET /a%2fb/announce?passkey=%41b&info_hash=%00%01%02%03%04%05%06%07%08%09%0A%0B%0C%0D%0E%0F"
        "%10%11%12%13&peer_id=-ES0100-abcdefghijkl&port=6881&"
    )
    assert f"Host: 127.0.0.1:{port}" in headers
    assert "User-Agent: everswarm/0.1" in headers
    assert "Accept-Encoding: gzip" in headers
    assert not any(header.lower().startswith(("cookie", "authorization")) for header in headers)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(BODY)),
        ("x-gzip", gzip.compress(BODY)),
        ("deflate", zlib.compress(BODY)),
    ],
)
async def test_compressed_replies_are_read(encoding: str, body: bytes) -> None:
    answer = page("200 OK", body, f"Content-Encoding: {encoding}")
    async with server(answer) as (port, _), trackers() as owner:
        tracker = owner.tracker(f"http://127.0.0.1:{port}/announce", trusted=True)
        assert (await tracker.announce(REQUEST)).peers == PEERS


async def test_chunked_replies_are_read() -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (
        len(BODY),
        BODY,
    )
    async with server(answer) as (port, _), trackers() as owner:
        tracker = owner.tracker(f"http://127.0.0.1:{port}/announce", trusted=True)
        assert (await tracker.announce(REQUEST)).peers == PEERS


@pytest.mark.parametrize("encoding", [None, "gzip"])
async def test_c3_an_endless_body_is_cut_at_one_mebibyte(encoding: str | None) -> None:
    async def endless(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        if encoding:
            writer.write(b"Content-Encoding: gzip\r\n")
        writer.write(b"\r\n")
        deflate = zlib.compressobj(wbits=31)
        while not writer.is_closing():
            block = bytes(1 << 16)
            writer.write(
                deflate.compress(block) + deflate.flush(zlib.Z_SYNC_FLUSH) if encoding else block
            )
            await writer.drain()
            await asyncio.sleep(0)

    assert str(await error_of(endless)) == "the reply is larger than 1048576 bytes"


async def test_c3_a_gzip_bomb_is_cut_while_it_unfolds() -> None:
    bomb = gzip.compress(bytes(64 << 20))
    assert len(bomb) < 1 << 17
    error = await error_of(page("200 OK", bomb, "Content-Encoding: gzip"))
    assert str(error) == "the reply is larger than 1048576 bytes"


async def test_c3_silence_and_dripping_time_out() -> None:
    async def silent(_: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1)

    async def dripping(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            writer.write(b"d")
            await asyncio.sleep(0.02)

    assert str(await error_of(silent, limits=FAST)) == "timed out"
    assert str(await error_of(dripping, limits=FAST)) == "timed out"


async def test_c3_a_shorter_timeout_for_goodbye() -> None:
    async def silent(_: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1)

    async with server(silent) as (port, _), trackers() as owner:
        tracker = owner.tracker(f"http://127.0.0.1:{port}/announce", trusted=True)
        with pytest.raises(TrackerError, match="timed out"):
            await tracker.announce(REQUEST, timeout=0.05)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (page("200 OK", b"<html>hello</html>"), "not a tracker reply (HTML)"),
        (page("200 OK", b"hello", "Content-Encoding: br"), "the reply has an unknown content encoding"),
        (page("200 OK", b"hello", "Content-Encoding: gzip"), "the reply's compression is damaged"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nd8:", "the connection closed before the reply was whole"),
        (b"", "the connection closed before the reply was whole"),
        (b"\x00\x01garbage\r\n\r\n", "the connection closed before the reply was whole"),
        (page("503 Service Unavailable", b"<html>busy</html>"), "HTTP 503"),
        (page("204 No Content"), "HTTP 204"),
        (page("503 Busy", b"d14:failure reason4:busye"), "the tracker refused: busy"),
    ],
)  # fmt: skip
async def test_c6_what_is_wrong_is_one_sentence(answer: bytes, sentence: str) -> None:
    error = await error_of(answer)
    assert str(error) == sentence
    assert not error.gone


@pytest.mark.parametrize("status", ["404 Not Found", "410 Gone"])
async def test_404_and_410_say_that_there_is_no_tracker(status: str) -> None:
    assert (await error_of(page(status, b"<html>"))).gone
    failure = await error_of(page(status, b"d14:failure reason2:no8:retry in5:nevere"))
    assert isinstance(failure, TrackerFailure)
    assert failure.gone


async def test_connection_refused(unused_port: int) -> None:
    async with trackers() as owner:
        tracker = owner.tracker(f"http://127.0.0.1:{unused_port}/announce", trusted=True)
        with pytest.raises(TrackerError, match=r"^connection refused$"):
            await tracker.announce(REQUEST)


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# ---- redirects (C2) and addresses (C1)


def names(monkeypatch: pytest.MonkeyPatch, **hosts: list[str]) -> list[str]:
    """Let the loop resolve these names (`_` for `.`); returns the questions asked."""
    loop = asyncio.get_running_loop()
    asked: list[str] = []
    original = loop.getaddrinfo

    async def getaddrinfo(host: str, port: int, **options: int) -> list[object]:
        asked.append(host)
        known = hosts.get(host.replace(".", "_"))
        if known is None:
            return list(await original(host, port, **options))
        if not known:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in known]

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
    return asked


async def test_a_redirect_is_followed_with_its_own_query() -> None:
    async with server(page("200 OK", BODY)) as (target, heads):
        location = f"Location: http://127.0.0.1:{target}/other?x=1"
        async with server(page("302 Found", b"", location)) as (port, _), trackers() as owner:
            tracker = owner.tracker(f"http://u:p@127.0.0.1:{port}/announce", trusted=True)
            assert (await tracker.announce(REQUEST)).peers == PEERS
    assert heads[0].startswith(b"GET /other?x=1 HTTP/1.1\r\n")
    assert b"authorization" not in heads[0].lower()  # another origin


async def test_credentials_go_to_their_own_host() -> None:
    async with server(page("200 OK", BODY)) as (port, heads), trackers() as owner:
        await owner.tracker(f"http://u:p@127.0.0.1:{port}/announce", trusted=True).announce(REQUEST)
    assert b"Authorization: Basic dTpw\r\n" in heads[0]
    assert f"Host: 127.0.0.1:{port}\r\n".encode() in heads[0]


async def test_c2_a_redirect_loop_ends_after_three() -> None:
    answer = page("301 Moved", b"", "Location: /announce?again=1")
    async with server(answer) as (port, heads), trackers() as owner:
        tracker = owner.tracker(f"http://127.0.0.1:{port}/announce", trusted=True)
        with pytest.raises(TrackerError, match="too many redirects"):
            await tracker.announce(REQUEST)
    assert len(heads) == 4


@pytest.mark.parametrize(
    ("location", "sentence"),
    [
        ("http://127.0.0.1:25/announce", "refused to connect to port 25, which is no tracker's"),
        ("http://169.254.169.254/latest/meta-data", "refused to connect to an address of a local network"),
        ("http://10.0.0.1:8080/announce", "refused to connect to an address of a local network"),
        ("file:///etc/passwd", "a redirect leads to something else than http or https"),
        ("", "a redirect leads nowhere"),
    ],
)  # fmt: skip
async def test_c1_c2_a_redirect_is_judged_anew(location: str, sentence: str) -> None:
    assert str(await error_of(page("302 Found", b"", f"Location: {location}"))) == sentence


async def test_c1_a_public_trackers_redirect_may_not_reach_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with server(page("200 OK", BODY)) as (inner, heads):
        location = f"Location: http://inner.test:{inner}/api?shutdown=1"
        async with server(page("302 Found", b"", location)) as (port, _), trackers() as owner:
            names(monkeypatch, outer_test=["127.0.0.1"], inner_test=["127.0.0.1"])
            tracker = owner.tracker(f"http://outer.test:{port}/x/announce", trusted=True)
            with pytest.raises(TrackerError, match="local network"):
                await tracker.announce(REQUEST)
    assert heads == []


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:6969/x/announce",
        "http://127.0.0.1:6969/announce?a=1",
        "http://127.1:6969/x",
        "http://2130706433:6969/x",
        "http://0x7f.1:6969/x",
        "http://0:6969/announce",
        "http://[::ffff:127.0.0.1]:6969/x",
        "http://[64:ff9b::7f00:1]:6969/x",
        "http://192.168.0.1:6969/announce",
        "http://rebind.test:6969/x",
    ],
)
async def test_c1_a_strangers_url_does_not_reach_the_own_network(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(monkeypatch, rebind_test=["127.0.0.1", "10.0.0.1", "169.254.169.254"])
    async with trackers() as owner:
        with pytest.raises(
            TrackerError, match="refused to connect to an address of a local network"
        ):
            await owner.tracker(url, trusted=False).announce(REQUEST)


async def test_c1_a_name_is_resolved_once_and_the_judged_address_is_connected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with server(page("200 OK", BODY)) as (port, heads), trackers() as owner:
        asked = names(monkeypatch, tracker_test=["10.255.255.1", "127.0.0.1"])
        tracker = owner.tracker(f"http://tracker.test:{port}/announce", trusted=False)
        assert (await tracker.announce(REQUEST)).peers == PEERS
    assert asked == ["tracker.test"]
    assert f"Host: tracker.test:{port}\r\n".encode() in heads[0]


async def test_the_next_address_is_tried_when_one_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with server(page("200 OK", BODY)) as (port, _), trackers() as owner:
        names(monkeypatch, tracker_test=["127.0.0.9", "127.0.0.1"])
        tracker = owner.tracker(f"http://tracker.test:{port}/announce", trusted=True)
        assert (await tracker.announce(REQUEST)).peers == PEERS


async def test_no_such_host(monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, nowhere_test=[])
    async with trackers() as owner:
        with pytest.raises(TrackerError, match=r"^no such host$"):
            await owner.tracker("http://nowhere.test/announce", trusted=False).announce(REQUEST)


# ---- TLS (C4)


async def ask_over_tls(
    monkeypatch: pytest.MonkeyPatch, host: str, tls: ssl.SSLContext | None
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)
    names(monkeypatch, **{host.replace(".", "_"): ["127.0.0.1"]})
    async with server(page("200 OK", BODY), tls=context) as (port, _), trackers(tls=tls) as owner:
        tracker = owner.tracker(f"https://{host}:{port}/announce", trusted=True)
        assert (await tracker.announce(REQUEST)).peers == PEERS


async def test_c4_a_self_signed_certificate_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TrackerError, match="certificate is not valid"):
        await ask_over_tls(monkeypatch, "tracker.test", None)


async def test_c4_a_certificate_of_another_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TrackerError, match="certificate is not valid"):
        await ask_over_tls(monkeypatch, "other.test", ssl.create_default_context(cafile=PEM))


async def test_c4_a_certificate_of_a_known_authority_is_accepted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await ask_over_tls(monkeypatch, "tracker.test", ssl.create_default_context(cafile=PEM))


async def test_a_server_that_does_not_speak_tls() -> None:
    async with server(b"") as (port, _), trackers(FAST) as owner:
        with pytest.raises(TrackerError):
            await owner.tracker(f"https://127.0.0.1:{port}/announce", trusted=True).announce(
                REQUEST
            )
