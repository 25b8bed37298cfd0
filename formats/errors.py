"""The three errors this program declares. Anything else that is raised is a bug of ours.

Children live beside the code that raises them.
"""


class EverswarmError(Exception):
    """Common parent; `str(error)` is one sentence fit for a person."""


class ProtocolError(EverswarmError):
    """The other side broke the rules: drop this peer, file or datagram, count it, go on."""


class StorageError(EverswarmError):
    """The disk refused: this torrent stops and says why, the node goes on."""


class ConfigError(EverswarmError):
    """The user asked for something that cannot be; the sentence says what to do instead."""
