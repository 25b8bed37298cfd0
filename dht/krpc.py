"""KRPC, the language of the DHT: bencoded queries, responses and errors in datagrams (BEP 5).

`cheap_check` and `parse` meet the bytes of strangers, `encode` and its three parts write ours; the
values are those of `krpc_messages`.
"""

from dht.krpc_decoder import cheap_check, parse
from dht.krpc_encoder import encode, encode_error, encode_query, encode_response
from dht.krpc_messages import (
    AnnouncePeer,
    Body,
    ErrorCode,
    ErrorReply,
    FindNode,
    Get,
    GetPeers,
    KrpcError,
    Message,
    Ping,
    Put,
    Query,
    Response,
    SampleInfohashes,
    Unknown,
)

__all__ = [
    "AnnouncePeer",
    "Body",
    "ErrorCode",
    "ErrorReply",
    "FindNode",
    "Get",
    "GetPeers",
    "KrpcError",
    "Message",
    "Ping",
    "Put",
    "Query",
    "Response",
    "SampleInfohashes",
    "Unknown",
    "cheap_check",
    "encode",
    "encode_error",
    "encode_query",
    "encode_response",
    "parse",
]
