"""What is sent when, and what counts as a reply, on virtual time; the tracker is played."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

import simulation
from formats.endpoint import Endpoint
from simulation import Host, Network
from tracker import udp_message
from tracker.datagram_socket import DatagramSocket, open_socket
from tracker.errors import TrackerError, TrackerFailure
from tracker.udp_exchange import KEPT_CONNECTIONS, UdpExchange, UdpLimits
from tracker.udp_message import Action

PORT = 6969
CONNECTION = 0x1122334455667788
TRIP = 1.0
"""Seconds there and back."""
CONNECT, SCRAPE = b"\0\0\0\0", b"\0\0\0\2"
COUNTS = bytes(range(12))

Script = Callable[[bytes, int], list[bytes]]
"""The replies to a packet, which is the n-th."""


class Tracker:
    """Notes (second it was sent, action, connection ID) of each packet and answers by a script."""

    def __init__(self, network: Network, script: Script) -> None:
        self.host = network.host("tracker", latency=TRIP / 4)
        self.address = Endpoint(self.host.address, PORT)
        self.asked: list[tuple[float, bytes, int]] = []
        self.packets: list[bytes] = []
        self._script = script
        self._socket: DatagramSocket

    async def start(self) -> "Tracker":
        self._socket = await open_socket(self.host.address, PORT, self._received)
        return self

    def _received(self, data: bytes, source: tuple[Any, ...]) -> None:
        sent_at = asyncio.get_running_loop().time() - TRIP / 2
        self.asked.append((round(sent_at), data[8:12], int.from_bytes(data[:8], "big")))
        self.packets.append(data)
        for reply in self._script(data, len(self.packets) - 1):
            assert self._socket.send_now(reply, source)

    async def close(self) -> None:
        self._socket.close()
        await self._socket.wait_closed()


def honest(packet: bytes, _: int) -> list[bytes]:
    transaction = packet[12:16]
    if packet[8:12] == CONNECT:
        return [CONNECT + transaction + CONNECTION.to_bytes(8, "big")]
    return [SCRAPE + transaction + COUNTS]


def silent(packet: bytes, _: int) -> list[bytes]:
    return []


def write(connection: int, transaction: int) -> bytes:
    return udp_message.scrape_request(connection, transaction, [])


class Asker:
    def __init__(self, host: Host, **limits: Any) -> None:
        self.host = host
        self.exchange = UdpExchange(
            "0.0.0.0", limits=UdpLimits(**limits), rng=random.Random(1)
        )  # fmt: skip

    async def ask(self, tracker: Tracker) -> bytes:
        return await self.host.run(self.exchange.ask(tracker.address, Action.SCRAPE, write))


def play(script: Script, scene: Callable[[Asker, Tracker, Network], Any]) -> None:
    async def main(network: Network) -> None:
        tracker = await Tracker(network, script).start()
        asker = Asker(network.host("asker", latency=TRIP / 4))
        await scene(asker, tracker, network)
        await asker.exchange.close()
        await tracker.close()

    simulation.run(main, seed=1)


def test_connect_and_request() -> None:
    async def scene(asker: Asker, tracker: Tracker, _: Network) -> None:
        reply = await asker.ask(tracker)
        transaction = tracker.packets[1][12:16]
        assert reply == SCRAPE + transaction + COUNTS
        assert tracker.packets[0] == bytes.fromhex("0000041727101980 00000000") + transaction
        assert tracker.packets[1][:8] == CONNECTION.to_bytes(8, "big")
        assert not asker.exchange.rejected

    play(honest, scene)


def test_a_connection_id_is_used_for_a_minute() -> None:
    async def scene(asker: Asker, tracker: Tracker, _: Network) -> None:
        for _ in range(2):
            await asker.ask(tracker)
        await asyncio.sleep(57)  # the ID came at 1; it is 3 now
        await asker.ask(tracker)
        await asyncio.sleep(0.5)
        await asker.ask(tracker)
        actions = [action for _, action, _ in tracker.asked]
        assert actions == [CONNECT, SCRAPE, SCRAPE, SCRAPE, CONNECT, SCRAPE]
        assert len({packet[12:16] for packet in tracker.packets}) == 4  # one each time

    play(honest, scene)


def test_c8_connects_are_repeated_after_15_seconds_doubling_and_four_are_enough() -> None:
    async def scene(asker: Asker, tracker: Tracker, network: Network) -> None:
        begun = network.scheduler.time()
        with pytest.raises(TrackerError, match=r"^timed out$"):
            await asker.ask(tracker)
        took = network.scheduler.time() - begun
        assert [when for when, _, _ in tracker.asked] == [0, 15, 45, 105]
        assert took == pytest.approx(225)
        assert len({packet[12:16] for packet in tracker.packets}) == 1

    play(silent, scene)


def test_c8_bep_15s_example_of_an_announce_that_times_out() -> None:
    def deaf_to_requests(packet: bytes, number: int) -> list[bytes]:
        return honest(packet, number) if packet[8:12] == CONNECT else []

    async def scene(asker: Asker, tracker: Tracker, _: Network) -> None:
        with pytest.raises(TrackerError, match=r"^timed out$"):
            await asker.ask(tracker)
        assert [(when, action) for when, action, _ in tracker.asked] == [
            (0, CONNECT),
            (1, SCRAPE),
            (16, SCRAPE),
            (46, SCRAPE),
            (106, CONNECT),  # because the connection ID has expired
            (107, SCRAPE),
        ]

    play(deaf_to_requests, scene)


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_c8_a_lost_packet_costs_its_wait_only(lost: int) -> None:
    def forgetful(packet: bytes, number: int) -> list[bytes]:
        return [] if number == lost else honest(packet, number)

    async def scene(asker: Asker, tracker: Tracker, _: Network) -> None:
        assert (await asker.ask(tracker))[8:] == COUNTS
        assert (await asker.ask(tracker))[8:] == COUNTS

    play(forgetful, scene)


def test_c8_a_late_reply_to_the_first_of_two_packets_counts() -> None:
    async def scene(asker: Asker, tracker: Tracker, network: Network) -> None:
        tracker.host.latency = 9.75  # a round trip of 20 seconds
        begun = network.scheduler.time()
        assert (await asker.ask(tracker))[8:] == COUNTS
        assert network.scheduler.time() - begun == pytest.approx(40)

    play(honest, scene)


def forgeries(packet: bytes) -> list[bytes]:
    action, transaction = packet[8:12], packet[12:16]
    wrong = (int.from_bytes(transaction, "big") ^ 1).to_bytes(4, "big")
    whole = honest(packet, 0)[0]
    return [
        b"",
        b"\0" * 7,
        whole[: 15 if action == CONNECT else 7],
        action + wrong + whole[8:],
        b"\0\0\0\1" + transaction + bytes(20),
        b"\0\0\0\7" + transaction + bytes(20),
        b"\0\0\0\3" + wrong + b"go away",
    ]


def test_c8_only_the_exact_transaction_and_action_count() -> None:
    def lying(packet: bytes, number: int) -> list[bytes]:
        return [*forgeries(packet), *honest(packet, number)]

    async def scene(asker: Asker, tracker: Tracker, _: Network) -> None:
        assert (await asker.ask(tracker))[8:] == COUNTS
        assert asker.exchange.rejected == {
            "a reply that is too short": 6 if simulation.datagram.SENDS_EMPTY else 4,
            "a reply that nobody waits for": 4,
            "a reply with another action": 2,
            "a reply with an unknown action": 2,
        }

    play(lying, scene)


@pytest.mark.parametrize("where", ["another host", "another port"])
def test_c8_only_the_exact_source_counts(where: str) -> None:
    async def scene(asker: Asker, tracker: Tracker, network: Network) -> None:
        liar = network.host("liar") if where == "another host" else tracker.host
        forger = await open_socket(liar.address, 1, lambda *_: None)

        def forge(packet: bytes, number: int) -> list[bytes]:
            for reply in honest(packet, number):
                forger.send_now(reply[:8] + bytes(8), asker_address)
            return honest(packet, number)

        tracker._script = forge
        socket = await asker.host.run(asker.exchange._open())
        asker_address = (asker.host.address, socket.endpoint.port)
        assert (await asker.ask(tracker))[8:] == COUNTS
        assert asker.exchange.rejected == {"a reply that nobody waits for": 2}
        forger.close()
        await forger.wait_closed()

    play(honest, scene)


def test_c8_a_replayed_connect_is_too_late() -> None:
    async def scene(asker: Asker, tracker: Tracker, _: Network) -> None:
        kept: list[bytes] = []

        def replaying(packet: bytes, number: int) -> list[bytes]:
            if packet[8:12] == CONNECT:
                kept.extend(honest(packet, number))
                return kept
            return [*(reply[:8] + bytes(8) for reply in kept), *honest(packet, number)]

        tracker._script = replaying
        for _ in range(3):
            await asker.ask(tracker)
        assert {connection for _, action, connection in tracker.asked if action == SCRAPE} == {
            CONNECTION
        }
        assert asker.exchange.rejected == {
            "a reply with another action": 1,
            "a reply that nobody waits for": 2,
        }

    play(honest, scene)


def test_an_error_is_the_trackers_own_sentence() -> None:
    def refusing(packet: bytes, number: int) -> list[bytes]:
        if packet[8:12] == CONNECT:
            return honest(packet, number)
        return [b"\0\0\0\3" + packet[12:16] + b"no"]

    async def scene(asker: Asker, tracker: Tracker, _: Network) -> None:
        with pytest.raises(TrackerFailure, match=r"^the tracker refused: no$"):
            await asker.ask(tracker)
        assert [action for _, action, _ in tracker.asked] == [CONNECT, SCRAPE]

    play(refusing, scene)


@pytest.mark.parametrize("answer", [b"\0\0\0\3%b" + b"Connection ID missmatch.\0", b""])
def test_a_tracker_that_forgot_us_is_asked_for_a_new_connection(answer: bytes) -> None:
    async def scene(asker: Asker, tracker: Tracker, _: Network) -> None:
        await asker.ask(tracker)

        def restarted(packet: bytes, number: int) -> list[bytes]:
            if packet[8:12] == CONNECT:
                return [CONNECT + packet[12:16] + bytes(7) + b"\x05"]
            if packet[:8] == bytes(7) + b"\x05":
                return [SCRAPE + packet[12:16] + COUNTS]
            return [answer % packet[12:16]] if answer else []

        tracker._script = restarted
        assert (await asker.ask(tracker))[8:] == COUNTS
        assert [(action, connection) for _, action, connection in tracker.asked[2:]] == [
            (SCRAPE, CONNECTION),
            (CONNECT, udp_message.PROTOCOL_ID),
            (SCRAPE, 5),
        ]

    play(honest, scene)


def test_g5_connection_ids_have_an_end() -> None:
    async def scene(asker: Asker, tracker: Tracker, _: Network) -> None:
        for number in range(KEPT_CONNECTIONS + 10):
            asker.exchange._remember(Endpoint("1.2.3.4", number + 1), number)
        assert len(asker.exchange._connections) == KEPT_CONNECTIONS
        assert asker.exchange._connection_to(Endpoint("1.2.3.4", 10)) is None
        assert asker.exchange._connection_to(Endpoint("1.2.3.4", 11)) == 10

    play(honest, scene)


def test_nothing_is_left_of_a_request_that_was_cancelled() -> None:
    async def scene(asker: Asker, tracker: Tracker, _: Network) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await asker.ask(tracker)
        assert not asker.exchange._waiting

    play(silent, scene)


def test_requests_share_one_socket_and_none_opens_after_the_end() -> None:
    async def scene(asker: Asker, tracker: Tracker, _: Network) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(asker.ask(tracker))
        assert len(tracker.asked) == 10
        await asker.exchange.close()
        with pytest.raises(TrackerError, match="we are leaving"):
            await asker.ask(tracker)

    play(honest, scene)


def test_an_address_that_we_do_not_have_is_no_route() -> None:
    async def main(network: Network) -> None:
        exchange = UdpExchange("192.0.2.1", limits=UdpLimits(), rng=random.Random(1))
        with pytest.raises(TrackerError, match="no route to the tracker"):
            await network.host().run(exchange.ask(Endpoint("9.9.9.9", 1), Action.SCRAPE, write))
        exchange = UdpExchange("::", limits=UdpLimits(), rng=random.Random(1))
        host = network.host(ipv6=True)
        with pytest.raises(TrackerError, match="no route to the tracker"):  # the wrong family
            await host.run(exchange.ask(Endpoint("9.9.9.9", 1), Action.SCRAPE, write))
        await exchange.close()

    simulation.run(main, seed=1)
