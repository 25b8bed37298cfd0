"""Writing KRPC datagrams: one concatenation of parts in the order of their keys.

Answering is what a node does most, and a general encoder would take longer than all the rest of an
answer. That the bytes are those of a general encoder is for the tests to show.
"""

from typing import assert_never

from dht.contact import Family
from dht.item import ImmutableItem
from dht.krpc_messages import (
    VERSION,
    AnnouncePeer,
    Body,
    ErrorReply,
    FindNode,
    Get,
    GetPeers,
    Message,
    Ping,
    Put,
    Query,
    Response,
    SampleInfohashes,
    Unknown,
)

MAX_ERROR_SIZE = 512
"""Bytes of an error, however long the query."""


def encode(message: Message) -> bytes:
    """The datagram of any message."""
    match message:
        case Query():
            return encode_query(message)
        case Response():
            return encode_response(message)
        case ErrorReply():
            return encode_error(message)
        case _:
            assert_never(message)


def encode_query(query: Query) -> bytes:
    """`a`, `q`, `ro` if set, `t`, `v` and `y`; `v` is ours unless the query has another."""
    before, after, method = _arguments(query.body)
    return b"d1:ad%b2:id20:%b%be1:q%b%b1:t%b1:v%b1:y1:qe" % (
        before,
        query.sender,
        after,
        _string(method),
        b"2:roi1e" if query.read_only else b"",
        _string(query.transaction),
        _string(VERSION if query.version is None else query.version),
    )


def _arguments(body: Body) -> tuple[bytes, bytes, bytes]:
    """The arguments whose keys sort before `id`, those that sort after it, and the method."""
    match body:
        case Ping():
            return b"", b"", b"ping"
        case FindNode(target, want):
            return b"", _target(target) + _want(want), b"find_node"
        case SampleInfohashes(target, want):
            return b"", _target(target) + _want(want), b"sample_infohashes"
        case GetPeers(info_hash, want, noseed, scrape):
            flags = (b"6:noseedi1e" if noseed else b"") + (b"6:scrapei1e" if scrape else b"")
            return b"", b"9:info_hash20:" + info_hash + flags + _want(want), b"get_peers"
        case AnnouncePeer():
            return b"", _announcement(body), b"announce_peer"
        case Get(target, sequence, want):
            after = b"" if sequence is None else b"3:seqi%de" % sequence
            return b"", after + _target(target) + _want(want), b"get"
        case Put():
            before = b"" if body.cas is None else b"3:casi%de" % body.cas
            return before, _stored_item(body), b"put"
        case Unknown(method, target, want):
            return b"", (_target(target) if target else b"") + _want(want), method
        case _:
            assert_never(body)


def _announcement(body: AnnouncePeer) -> bytes:
    return b"%b9:info_hash20:%b4:porti%de%b5:token%b" % (
        b"12:implied_porti1e" if body.implied_port else b"",
        body.info_hash,
        body.port,
        b"4:seedi1e" if body.seed else b"",
        _string(body.token),
    )


def _stored_item(body: Put) -> bytes:
    item = body.item
    if isinstance(item, ImmutableItem):
        return b"5:token%b1:v%b" % (_string(body.token), item.value)
    return b"1:k32:%b%b3:seqi%de3:sig64:%b5:token%b1:v%b" % (
        item.public_key,
        b"4:salt" + _string(item.salt) if item.salt else b"",
        item.sequence,
        item.signature,
        _string(body.token),
        item.value,
    )


def _target(target: bytes) -> bytes:
    return b"6:target20:" + target


def _want(want: tuple[Family, ...]) -> bytes:
    if not want:
        return b""
    flags = [b"2:n4" if family is Family.V4 else b"2:n6" for family in want]
    return b"4:wantl%be" % b"".join(flags)


def _string(text: bytes) -> bytes:
    return b"%d:%b" % (len(text), text)


def encode_response(response: Response) -> bytes:
    """`ip` if set, `r`, `t`, `v` and `y`; `v` is ours unless the response has another."""
    ip = b"" if response.ip is None else b"2:ip%d:%b" % (len(response.ip), response.ip)
    nodes = response.nodes
    if nodes:
        nodes = b"5:nodes%d:%b" % (len(nodes), nodes)
    if response.nodes6:
        nodes += b"6:nodes6%d:%b" % (len(response.nodes6), response.nodes6)
    token = response.token
    token = b"" if token is None else b"5:token%d:%b" % (len(token), token)
    transaction = response.transaction
    version = VERSION if response.version is None else response.version
    return b"d%b1:rd%b2:id20:%b%b%b%b%b%b%be1:t%d:%b1:v%d:%b1:y1:re" % (
        ip,
        _blooms(response),
        response.sender,
        _interval_and_key(response),
        nodes,
        _samples_and_signature(response),
        token,
        b"" if response.value is None else b"1:v" + response.value,
        _values(response.values),
        len(transaction),
        transaction,
        len(version),
        version,
    )


def _values(values: tuple[bytes, ...]) -> bytes:
    """The peers, all of one family as BEP 32 demands."""
    if not values:
        return b""
    length = b"%d:" % len(values[0])
    return b"6:valuesl%b%be" % (length, length.join(values))


def _blooms(response: Response) -> bytes:
    out = b"" if response.peers_bloom is None else b"4:BFpe256:" + response.peers_bloom
    return out if response.seeds_bloom is None else out + b"4:BFsd256:" + response.seeds_bloom


def _interval_and_key(response: Response) -> bytes:
    out = b"" if response.interval is None else b"8:intervali%de" % response.interval
    return out if response.public_key is None else out + b"1:k32:" + response.public_key


def _samples_and_signature(response: Response) -> bytes:
    """What sorts between the nodes and the token."""
    out = b"" if response.total is None else b"3:numi%de" % response.total
    if response.samples is not None:
        out += b"7:samples" + _string(response.samples)
    if response.sequence is not None:
        out += b"3:seqi%de" % response.sequence
    if response.signature is not None:
        out += b"3:sig64:" + response.signature
    return out


def encode_error(error: ErrorReply, at_most: int = MAX_ERROR_SIZE) -> bytes:
    """`e`, `t` and `y`, nothing else, the text cut so that no error is longer than the query (D2).

    Empty if `at_most` bytes do not even hold an error without text.
    """
    transaction = _string(error.transaction)
    text = error.message.encode()
    frame = len(b"d1:eli%de999:e1:t%b1:y1:ee" % (error.code, transaction))
    spare = min(at_most, MAX_ERROR_SIZE) - frame
    if spare < 0:
        return b""
    return b"d1:eli%de%be1:t%b1:y1:ee" % (error.code, _string(text[:spare]), transaction)
