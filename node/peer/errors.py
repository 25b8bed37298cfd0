"""Why a conversation with a peer ends: every breach of the protocol has one fixed sentence."""

from enum import StrEnum

from formats.errors import ProtocolError


class Breach(StrEnum):
    """The reasons, fit for a person and for a counter: none carries bytes that a peer chose."""

    NOT_BITTORRENT = "the peer does not speak the BitTorrent protocol"
    WRONG_INFO_HASH = "the peer answered with another info hash"
    UNKNOWN_INFO_HASH = "the peer asked for an unknown info hash"
    OURSELVES = "the peer is this node itself"
    HANDSHAKE_TIMEOUT = "the peer did not finish its handshake in time"
    SILENT = "the peer sent no complete message for two minutes"
    MESSAGE_TOO_LONG = "the peer announced a message longer than its kind allows"
    WRONG_LENGTH = "the peer sent a message whose length does not match its kind"
    TOO_MANY_UNKNOWN = "the peer sent too many unknown messages"
    TOO_MUCH_CHATTER = "the peer sent too many messages that carry no data"
    NOT_AGREED = "the peer used the fast extension, which was not agreed on"
    TOO_MANY_BITFIELDS = "the peer described its pieces too often"
    WRONG_BITFIELD = "the peer sent a bitfield that does not fit the torrent"
    INDEX_OUT_OF_RANGE = "the peer named a piece that the torrent does not have"
    BAD_REQUEST = "the peer requested bytes that no piece has"
    REQUESTS_WHILE_CHOKED = "the peer kept requesting while choked"
    UNREQUESTED_BLOCKS = "the peer sent blocks that were not requested"
    TOO_MANY_REJECTS = "the peer rejected too many requests"
    BAD_EXTENSION_HANDSHAKE = "the peer sent a malformed extension handshake"
    BAD_EXTENSION_MESSAGE = "the peer sent a malformed extension message"


class PeerError(ProtocolError):
    """The peer broke the rules: its connection is closed and `breach` is counted."""

    def __init__(self, breach: Breach) -> None:
        super().__init__(breach.value)
        self.breach = breach
