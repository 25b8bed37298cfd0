"""What can go wrong between a client and a tracker."""

import math

from formats.errors import ProtocolError

NEVER = math.inf
"""`retry in` of a tracker that asks never to be asked again (BEP 31)."""


class TrackerError(ProtocolError):
    """The tracker gave no usable answer; `str(error)` says why.

    `gone` means that this address is no tracker at all (HTTP 404 or 410): leave it alone for a day.
    """

    def __init__(self, message: str, *, gone: bool = False) -> None:
        super().__init__(message)
        self.gone = gone


class TrackerFailure(TrackerError):
    """A `failure reason` (BEP 3): sent by a server, or received by a client.

    `reason` is the text alone; `retry_in` is in minutes, NEVER, or None if not said (BEP 31).
    """

    def __init__(self, reason: str, *, retry_in: float | None = None) -> None:
        super().__init__(f"the tracker refused: {reason}")
        self.reason = reason
        self.retry_in = retry_in
