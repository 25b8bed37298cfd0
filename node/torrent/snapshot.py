"""A torrent's state gathered into the values that people see."""

from typing import TYPE_CHECKING

from node.torrent.session import PeerSession
from node.torrent.status import PeerStatus, State, TorrentStatus

if TYPE_CHECKING:
    from node.torrent.torrent import Torrent


def take_snapshot(torrent: "Torrent") -> TorrentStatus:
    """The torrent as it is now."""
    now = torrent.now()
    picker = torrent.picker
    wanted = torrent.storage.needed
    checking = torrent.state is State.CHECKING
    have = torrent.storage.verified if checking else picker.have
    total = picker.size_of(wanted)
    downloaded = picker.size_of(have & wanted)
    down_rate = torrent.down.rate(now)
    left = total - downloaded
    return TorrentStatus(
        name=torrent.metainfo.name,
        state=torrent.state,
        error=str(torrent.error) if torrent.error is not None else None,
        total=total,
        downloaded=downloaded,
        received=torrent.down.total,
        uploaded=torrent.up.total,
        wasted=torrent.wasted + picker.wasted,
        down_rate=down_rate,
        up_rate=torrent.up.rate(now),
        peers=len(torrent.sessions),
        seeds=sum(picker.is_seed(session) for session in torrent.sessions),
        known_peers=len(torrent.peer_list),
        complete_peers=len(torrent.members.complete),
        pieces=have.bit_count(),
        piece_count=picker.piece_count,
        availability=_availability(torrent),
        eta=left / down_rate if left and down_rate > 0 else None,
        checked=torrent.checked,
        sources=dict(torrent.sources),
        trackers=torrent.discovery.tracker_statuses(),
        peer_rows=tuple(_peer(torrent, session, now) for session in torrent.sessions),
        file_progress=tuple(torrent.storage.layout.progress(have)),
    )


def _availability(torrent: "Torrent") -> float:
    """Copies within reach, ours included: those of the rarest piece, and the share beyond it."""
    picker = torrent.picker
    everyone = [picker.bits_of(session) for session in torrent.sessions] + [picker.have]
    copies = 0
    reached = [(1 << picker.piece_count) - 1]  # reached[n]: pieces with at least n copies
    for bits in everyone:
        reached.append(0)
        for n in range(len(reached) - 1, 0, -1):
            reached[n] |= reached[n - 1] & bits
    while copies + 1 < len(reached) and reached[copies + 1] == reached[0]:
        copies += 1
    beyond = reached[copies + 1].bit_count() if copies + 1 < len(reached) else 0
    return copies + beyond / picker.piece_count


def _peer(torrent: "Torrent", session: PeerSession, now: float) -> PeerStatus:
    return PeerStatus(
        endpoint=session.endpoint,
        client=session.client,
        progress=torrent.picker.bits_of(session).bit_count() / torrent.picker.piece_count,
        down_rate=session.down.rate(now),
        up_rate=session.up.rate(now),
        source=session.source,
        flags=_flags(session),
    )


def _flags(session: PeerSession) -> str:
    protocol = session.connection.protocol
    flags = ""
    if protocol.am_interested:
        flags += "d" if protocol.peer_choking else "D"
    if protocol.peer_interested:
        flags += "u" if protocol.am_choking else "U"
    if session.pipeline.snubbed:
        flags += "S"
    if not session.connection.is_outgoing:
        flags += "I"
    if protocol.supports_fast:
        flags += "F"
    return flags
