"""What a node tells its neighbours of each other, and what becomes of what they tell it."""

import asyncio
import struct
from typing import Any

import pytest

from formats import bencode
from formats.endpoint import AddressClass, Endpoint
from formats.metainfo import parse_metainfo
from node.peer.events import DontHave, ExtensionHandshakeReceived, ExtensionMessage
from node.peer.extension import LOCAL_IDS
from node.torrent.known_peer import Source, SourceKind
from pex.message import PeerFlags, PexMessage, parse_pex
from simulation.network import Network
from tests.node.torrent.swarm import (
    BLOCK,
    NAME,
    PIECE,
    PORT,
    Stranger,
    Us,
    dial,
    disk_of,
    listen,
    made,
    play,
    seed_on,
    sharing,
    until,
)

METAINFO, DATA = made(8)
HALF = DATA[: 4 * PIECE]
PEX_ID = 9
"""The ID under which the strangers here take peer exchange messages."""
NOBODY = Endpoint("30.0.0.1", 6881)


def private(*, flag: int = 1) -> Any:
    info = bencode.decode(METAINFO.info_bytes, bencode.METAINFO)
    assert isinstance(info, dict)
    return parse_metainfo(bencode.encode({b"info": {**info, b"private": flag}}))


def introduce(stranger: Stranger, port: int | None = None) -> None:
    stranger.introduce(extensions={"ut_pex": PEX_ID}, listen_port=port)


def heard(stranger: Stranger) -> list[PexMessage]:
    """The peer exchange messages that a stranger was sent."""
    return [
        parse_pex(event.payload).message
        for event in stranger.heard(ExtensionMessage)
        if event.name == "ut_pex"
    ]


def offered(stranger: Stranger) -> dict[str, int]:
    (event,) = stranger.heard(ExtensionHandshakeReceived)
    extensions: dict[str, int] = event.handshake.extensions
    return extensions


def tell(stranger: Stranger, *contacts: Endpoint, flags: int = 0) -> None:
    payload = PexMessage(dict.fromkeys(contacts, PeerFlags(flags))).encode()
    assert stranger.talk.send_extension("ut_pex", payload)
    stranger.say()


async def met(
    net: Network, us: Us, name: str, *, port: int | None = PORT, **fields: Any
) -> Stranger:
    """A stranger that dialled us, takes peer exchange and says where it listens."""
    stranger = await dial(net, us, Stranger(fields.pop("metainfo", METAINFO), **fields), name=name)
    introduce(stranger, port)
    await asyncio.sleep(0.1)
    return stranger


def at(net: Network, name: str, port: int = PORT) -> Endpoint:
    return Endpoint(net.hosts[name].address, port)


# What we tell


def test_we_offer_peer_exchange_and_dont_have() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            one = await met(net, us, "one")
            assert offered(one).items() >= {"ut_pex": 1, "lt_donthave": 3}.items()
            assert len(set(LOCAL_IDS.values())) == len(LOCAL_IDS)

    play(main)


def test_neighbours_are_told_of_each_other_at_once_and_never_of_themselves() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            one = await met(net, us, "one", port=4001)
            two = await met(net, us, "two", port=4002)
            await asyncio.sleep(2)
            nothing = PeerFlags(0)
            assert heard(one) == [PexMessage({at(net, "two", 4002): nothing})]
            assert heard(two) == [PexMessage({at(net, "one", 4001): nothing})]

    play(main)


def test_what_changed_follows_after_a_minute() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            one = await met(net, us, "one")
            two = await met(net, us, "two")
            await asyncio.sleep(2)
            two.close()
            await met(net, us, "three")
            await asyncio.sleep(50)
            assert len(heard(one)) == 1
            await asyncio.sleep(10)
            _, second = heard(one)
            assert (list(second.added), second.dropped) == (
                [at(net, "three")],
                (at(net, "two"),),
            )

    play(main)


def test_x7_a_peer_that_does_not_say_where_it_listens_is_not_told_of() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            one = await met(net, us, "one")
            await met(net, us, "hidden", port=None)
            await asyncio.sleep(2)
            assert heard(one) == []

    play(main)


def test_x7_an_address_we_only_heard_of_is_not_told_on() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            one, two = await met(net, us, "one"), await met(net, us, "two")
            tell(two, NOBODY)
            await asyncio.sleep(70)
            assert us.torrent.peer_list.get(NOBODY) is not None
            assert [list(message.added) for message in heard(one)] == [[at(net, "two")]]

    play(main)


def test_a_peer_that_we_dialled_is_reachable_and_a_seed_is_called_one() -> None:
    async def main(net: Network) -> None:
        seed = await seed_on(net, METAINFO, DATA, name="seed")
        async with sharing(net, METAINFO, HALF, peers=(seed.endpoint,), download_rate=100) as us:
            await until(lambda: us.torrent.sessions)
            one = await met(net, us, "one")
            await asyncio.sleep(2)
            assert heard(one)[0].added == {seed.endpoint: PeerFlags.SEED | PeerFlags.OUTGOING}
        seed.close()

    play(main)


def test_who_does_not_take_it_is_sent_nothing() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            mute = await dial(net, us, Stranger(METAINFO), name="mute")
            mute.introduce(listen_port=PORT)
            await met(net, us, "one")
            await asyncio.sleep(2)
            assert not mute.heard(ExtensionMessage)

    play(main)


def test_x7_who_was_left_because_both_sides_are_complete_is_told_of_once() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, DATA) as us:
            seed = await met(net, us, "seed")
            seed.has()
            await until(lambda: seed.closed)
            late = await met(net, us, "late")
            await asyncio.sleep(62)
            first, second = heard(late)
            assert first == PexMessage({at(net, "seed"): PeerFlags.SEED})
            assert second == PexMessage({}, (at(net, "seed"),))

    play(main)


def test_addresses_of_our_own_network_are_not_told_to_the_world() -> None:
    async def main(net: Network) -> None:
        net.host("near", address="192.168.1.5")
        net.host("nearer", address="192.168.1.6")
        async with sharing(net, METAINFO, HALF) as us:
            near, nearer = await met(net, us, "near"), await met(net, us, "nearer")
            far = await met(net, us, "far")
            await asyncio.sleep(62)
            assert not heard(far)
            told = [contact for message in heard(near) for contact in message.added]
            assert set(told) == {at(net, "nearer"), at(net, "far")}
            assert heard(nearer)

    play(main)


# When we do not


@pytest.mark.parametrize("exchange", ["private", "switched off"])
def test_t12_x9_nothing_is_offered_said_or_heard(exchange: str) -> None:
    metainfo = private() if exchange == "private" else METAINFO

    async def main(net: Network) -> None:
        async with sharing(net, metainfo, HALF, use_pex=exchange == "private") as us:
            one = await met(net, us, "one", metainfo=metainfo)
            two = await met(net, us, "two", metainfo=metainfo)
            assert "ut_pex" not in offered(one)
            one.talk.remote_extensions["ut_pex"] = LOCAL_IDS["ut_pex"]
            tell(one, NOBODY)
            await asyncio.sleep(70)
            assert not heard(one) and not heard(two)
            assert us.torrent.peer_list.get(NOBODY) is None
            assert not one.closed

    play(main)


def test_private_0_is_not_private() -> None:
    metainfo = private(flag=0)

    async def main(net: Network) -> None:
        async with sharing(net, metainfo, HALF) as us:
            assert "ut_pex" in offered(await met(net, us, "one", metainfo=metainfo))

    play(main)


# What we are told


def test_a_peer_we_are_told_of_is_dialled_and_remembered_with_its_source() -> None:
    async def main(net: Network) -> None:
        other = await listen(net, METAINFO, name="other")
        async with sharing(net, METAINFO, HALF) as us:
            one = await met(net, us, "one")
            tell(one, other.endpoint)
            await until(lambda: len(us.torrent.sessions) == 2, within=5)
            known = us.torrent.peer_list.get(other.endpoint)
            assert known is not None
            source = Source(SourceKind.PEX, net.hosts["one"].address, AddressClass.GLOBAL)
            assert list(known.sources) == [source]
            assert us.torrent.source_of(other.endpoint) == source
        other.close()

    play(main)


def test_x1_the_seventh_message_within_a_minute_closes() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            one = await met(net, us, "one")
            (session,) = us.torrent.sessions
            for _ in range(6):
                tell(one, NOBODY)
                await asyncio.sleep(1)
            assert not one.closed
            tell(one, NOBODY)
            await until(lambda: one.closed)
            assert session.connection.close_reason == (
                "the peer floods us with peer exchange messages"
            )

    play(main)


def test_x2_malformed_messages_close_at_the_third() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            one = await met(net, us, "one")
            for _ in range(3):
                assert not one.closed
                one.talk.send_extension("ut_pex", b"d5:added5:12345e")
                one.say()
                await asyncio.sleep(60)
            assert one.closed
            assert not us.torrent.sessions

    play(main, within=400)


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.1",
        "127.0.0.1",
        "169.254.1.1",
        "100.64.0.1",
        "224.0.0.1",
        "0.0.0.0",
        "240.0.0.1",
        "::1",
        "fe80::1",
        "ff02::1",
        "fc00::1",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
    ],
)
def test_x3_a_stranger_far_away_names_no_address_of_ours(host: str) -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            one = await met(net, us, "one")
            known = len(us.torrent.peer_list)
            tell(one, Endpoint(host, 6881))
            await asyncio.sleep(1)
            assert len(us.torrent.peer_list) == known

    play(main)


def test_x3_a_neighbour_in_our_network_may_name_another_there() -> None:
    async def main(net: Network) -> None:
        net.host("near", address="192.168.1.5")
        async with sharing(net, METAINFO, HALF) as us:
            near = await met(net, us, "near")
            tell(near, Endpoint("192.168.1.6", 6881), Endpoint("127.0.0.1", 6881))
            await asyncio.sleep(1)
            assert us.torrent.peer_list.get(Endpoint("192.168.1.6", 6881)) is not None
            assert us.torrent.peer_list.get(Endpoint("127.0.0.1", 6881)) is None

    play(main)


def test_x3_our_own_address_is_dialled_once_and_never_again() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            one = await met(net, us, "one")
            tell(one, us.endpoint)
            await asyncio.sleep(5)
            assert us.torrent.peer_list.get(us.endpoint) is None
            assert len(us.torrent.sessions) == 1

    play(main)


def test_x4_a_low_port_is_not_dialled_on_one_neighbours_word() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            one = await met(net, us, "one")
            victim = Endpoint("30.0.0.1", 80)
            tell(one, victim)
            await asyncio.sleep(60)
            known = us.torrent.peer_list.get(victim)
            assert known is not None
            assert (known.busy, known.failures) == (False, 0)

    play(main)


def test_x5_a_neighbour_that_comes_again_and_again_fills_no_more_than_its_share() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            for visit in range(4):
                one = await met(net, us, "one", port=4000 + visit)
                tell(one, *(Endpoint(f"30.{visit}.{n}.1", 6881) for n in range(50)))
                await asyncio.sleep(1)
                one.close()
                await asyncio.sleep(1)
            heard_of = [
                known
                for n in range(50)
                for visit in range(4)
                if (known := us.torrent.peer_list.get(Endpoint(f"30.{visit}.{n}.1", 6881)))
            ]
            assert len(heard_of) == 50

    play(main)


def test_x5_one_port_of_each_address() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            one = await met(net, us, "one")
            known = len(us.torrent.peer_list)
            tell(one, *(Endpoint("30.0.0.1", 6881 + n) for n in range(50)))
            await asyncio.sleep(1)
            assert len(us.torrent.peer_list) == known + 1

    play(main)


def test_x8_who_is_called_a_seed_and_is_none_is_found_out_by_the_handshake() -> None:
    async def main(net: Network) -> None:
        other = await listen(net, METAINFO, name="other")
        async with sharing(net, METAINFO, HALF) as us:
            one = await met(net, us, "one")
            tell(one, other.endpoint, NOBODY, flags=PeerFlags.SEED)
            await until(lambda: len(us.torrent.sessions) == 2, within=5)
            true, unknown = map(us.torrent.peer_list.get, (other.endpoint, NOBODY))
            assert true is not None and unknown is not None
            assert (true.seed, unknown.seed) == (False, True)
        other.close()

    play(main)


# Pieces that are gone (BEP 54)


def test_a_peer_that_lost_a_piece_is_not_asked_for_it() -> None:
    async def main(net: Network) -> None:
        async with sharing(net, METAINFO, HALF) as us:
            one = await met(net, us, "one")
            one.has(1 << 6)
            await asyncio.sleep(1)
            (session,) = us.torrent.sessions
            assert session.connection.protocol.am_interested
            assert one.talk.send_extension("lt_donthave", struct.pack(">I", 6))
            one.unchoke()
            await asyncio.sleep(1)
            assert us.torrent.picker.bits_of(session) == 0
            assert not session.connection.protocol.am_interested
            assert one.asked == []

    play(main)


def test_a_piece_that_we_lost_is_taken_back_and_refused() -> None:
    async def main(net: Network) -> None:
        disk = disk_of(net.host("us"), HALF)
        async with sharing(net, METAINFO, disk=disk) as us:
            told = await dial(net, us, Stranger(METAINFO), name="told")
            told.introduce(extensions={"lt_donthave": 5})
            mute = await dial(net, us, Stranger(METAINFO), name="mute")
            for stranger in (told, mute):
                stranger.wants()
            await until(lambda: not told.talk.peer_choking)
            disk.remove(NAME)
            us.torrent.storage._payload.close()  # as if it had not been open
            told.ask((2, 0, BLOCK), (2, BLOCK, BLOCK))
            await until(lambda: len(told.rejected) == 2)
            told.ask((2, 0, BLOCK))
            await asyncio.sleep(1)
            assert [event.index for event in told.heard(DontHave)] == [2]
            assert told.rejected == [(2, 0, BLOCK), (2, BLOCK, BLOCK), (2, 0, BLOCK)]
            assert not mute.heard(DontHave)

    play(main)
