"""Names of methods: a fixed set, whatever strangers ask."""

from typing import get_args

from dht.counters import method_of
from dht.krpc import Body, Ping, Unknown


def test_every_query_has_a_name():
    names = [method_of(body.__new__(body, *range(len(body._fields)))) for body in get_args(Body)]
    assert names == [
        "ping",
        "find_node",
        "get_peers",
        "announce_peer",
        "get",
        "put",
        "sample_infohashes",
        "unknown",
    ]


def test_strangers_methods_share_one_name():
    assert method_of(Unknown(b"a" * 100)) == method_of(Unknown(b"b")) == "unknown"
    assert method_of(Ping()) == "ping"
