"""What holds in every swarm at every moment; the numbers are those of the list of invariants."""

import asyncio
from typing import TYPE_CHECKING

from node.peer.connection import SMALL_MESSAGE_ROOM, WRITE_LIMIT
from node.torrent.request_pipeline import MAXIMUM_DEPTH
from node.torrent.status import State
from node.torrent.upload_queue import MAX_QUEUED
from simulation.stream import StreamTransport

if TYPE_CHECKING:
    from tests.swarm.world import Member, World

PERIOD = 0.5
"""Virtual seconds between two looks."""


class Watcher:
    """Looks at all members from time to time. I15 (nothing left behind) is `simulation.run`'s."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._shown: dict[tuple[str, str], int] = {}
        self.largest_write_buffer = 0
        self.disk_faults_allowed: set[str] = set()
        """Names of members whose disks lose what they were given."""

    async def run(self) -> None:
        while True:
            await asyncio.sleep(PERIOD)
            for member in self._world.members:
                if member.is_alive:
                    self._look_at(member)

    def look(self) -> None:
        """At the end, at everything."""
        for member in self._world.members:
            if member.is_alive:
                self._look_at(member)
            if member.honest and member.host.name not in self.disk_faults_allowed:
                self.verified_data_is_right(member)
        for name, tracker in self._world.trackers.items():
            nonsense = {what for what in tracker.rejected if what != "timeouts"}
            assert not nonsense, f"{name} was told nonsense: {tracker.rejected}"

    def verified_data_is_right(self, member: "Member") -> None:
        """I1: verified ⊆ data on disk is right."""
        content = self._world.content
        length = content.metainfo.piece_length
        verified = member.torrent.storage.verified
        files = member.disk.files
        for file in content.metainfo.files:
            stored = files.get(file.path)
            right = content.of_file(file)
            if stored is None or stored == right:
                continue
            for index in range(file.offset // length, -(-(file.offset + file.length) // length)):
                if verified >> index & 1:
                    begin = max(0, index * length - file.offset)
                    end = min(file.length, (index + 1) * length - file.offset)
                    assert stored[begin:end] == right[begin:end], (
                        f"{member}: piece {index} is called verified and is not right"
                    )

    def _look_at(self, member: "Member") -> None:
        torrent = member.torrent
        if torrent.state in (State.CHECKING, State.STOPPED):
            return
        now = self._world.now()
        by_address = {
            address: other
            for other in self._world.members
            for address in other.host.addresses
            if other.honest
        }
        for session in torrent.sessions:
            other = by_address.get(session.connection.remote.host)
            if other is not None and member.honest:
                self._have_is_verified(member, other, torrent.picker.bits_of(session))
            assert len(session.queue) <= MAX_QUEUED, "I5"
            assert len(session.connection.protocol.requested) <= MAXIMUM_DEPTH, "I6"
        for endpoint in member.host.endpoints:
            if isinstance(endpoint, StreamTransport):
                size = endpoint.get_write_buffer_size()
                self.largest_write_buffer = max(size, self.largest_write_buffer)
        assert self.largest_write_buffer <= WRITE_LIMIT + SMALL_MESSAGE_ROOM, "I5"
        if member.honest:
            for address, other in by_address.items():
                assert not torrent.peer_list.is_banned(address, now), (
                    f"I13: {member} banned honest {other}"
                )

    def _have_is_verified(self, member: "Member", other: "Member", bits: int) -> None:
        """I3: what `other` told `member` it has, it has verified."""
        if other.is_alive and other.host.name not in self.disk_faults_allowed:
            lies = bits & ~other.torrent.storage.verified
            assert not lies, f"I3: {other} told {member} of pieces it has not verified: {lies:b}"
