from pathlib import Path

from node.cli.download import Enough
from node.cli.get import Download
from node.cli.node_options import NodeOptions
from node.cli.options import LogLevel


def wanted(**changed: object) -> Download:
    node = NodeOptions(
        listen=None,
        peers=(),
        use_trackers=True,
        use_dht=False,
        use_pex=True,
        dht_listen=None,
        bootstrap=(),
        state=None,
        down=None,
        up=None,
        json=False,
        verbose=False,
        log_level=LogLevel.WARNING,
    )
    usual: dict[str, object] = {
        "source": "x.torrent",
        "directory": Path(),
        "sequential": False,
        "preallocate": False,
        "overwrite": False,
        "files": None,
        "select": (),
        "timeout": None,
        "seed": False,
        "exit_when_seeds": None,
        "exit_when_ratio": None,
        "node": node,
    }
    return Download(**usual | changed)


def test_who_stays_to_seed() -> None:
    assert not wanted().stays
    assert wanted(seed=True).stays
    assert wanted(exit_when_seeds=1).stays
    assert wanted(exit_when_ratio=0.0).stays


def test_without_a_limit_it_is_never_enough(status, peer) -> None:
    enough = Enough(wanted(seed=True))
    assert not enough(status(uploaded=10**12, peer_rows=(peer(progress=1.0),)))


def test_enough_is_sent(status) -> None:
    enough = Enough(wanted(exit_when_ratio=1.5))
    assert not enough(status(uploaded=183_599))
    assert enough(status(uploaded=183_600))


def test_enough_others_have_it(status, peer) -> None:
    enough = Enough(wanted(exit_when_seeds=1))
    assert not enough(status(peer_rows=(peer(progress=0.5),)))
    assert enough(status(complete_peers=1))
