"""Our address as others see it, by vote (BEP 42's `ip`, D13).

Every answer names the address our query came from. Liars would have us take an ID that does not fit
our address, or announce another's: what counts is the majority of votes, one for each /24 (IPv6:
/56), from at least five of them; local addresses are nobody's external one.
"""

from collections import Counter, OrderedDict

from formats.endpoint import AddressClass, classify, subnet

QUORUM = 5
"""Networks that must agree (D13)."""

MAX_VOTERS = 32
"""Networks whose latest vote is remembered; after a change of address, seventeen of them outvote
what the others still say."""


class ExternalAddress:
    """Counts votes for the address of one family."""

    def __init__(self) -> None:
        self._votes: OrderedDict[str, str] = OrderedDict()
        self._address: str | None = None

    @property
    def address(self) -> str | None:
        """The address that won the last vote; None before the first."""
        return self._address

    def vote(self, voter: str, claimed: str) -> bool:
        """A node at `voter` sees us at `claimed`. Whether that has changed the outcome."""
        if classify(claimed) is not AddressClass.GLOBAL:
            return False
        network = subnet(voter)
        self._votes[network] = claimed
        self._votes.move_to_end(network)
        if len(self._votes) > MAX_VOTERS:
            self._votes.popitem(last=False)
        if claimed == self._address:
            return False
        count = Counter(self._votes.values())[claimed]
        if count < QUORUM or 2 * count <= len(self._votes):
            return False
        self._address = claimed
        return True

    def forget(self) -> None:
        """Our network has changed: the votes so far are about another address."""
        self._votes.clear()
