import sys
from pathlib import Path

import pytest

from node.cli.addresses import HostPort
from node.cli.node_options import NodeOptions, transfer_state_directory, user_state_directory
from node.cli.options import LogLevel


def options(**changed: object) -> NodeOptions:
    usual: dict[str, object] = {
        "listen": None,
        "peers": (),
        "use_trackers": True,
        "use_dht": False,
        "use_pex": True,
        "dht_listen": None,
        "bootstrap": (),
        "state": None,
        "down": None,
        "up": None,
        "json": False,
        "verbose": False,
        "log_level": LogLevel.WARNING,
    }
    return NodeOptions(**usual | changed)


def test_what_is_not_said_is_left_to_the_node() -> None:
    config = options().config(None)
    assert (config.listen, config.state, config.use_trackers) == (None, None, True)


def test_what_is_said_reaches_the_node() -> None:
    said = options(listen=HostPort("::1", 6881), state=Path("here"), down=5, up=6, use_pex=False)
    config = said.config(Path("elsewhere"))
    assert config.listen == ("::1", 6881)
    assert config.state == Path("here")
    assert not config.use_pex
    assert (config.download_rate, config.upload_rate) == (5, 6)


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has a place of its own")
def test_the_state_directory_of_the_user() -> None:
    assert user_state_directory({"XDG_STATE_HOME": "/var/x"}) == Path("/var/x/everswarm")
    home = Path.home() / ".local" / "state" / "everswarm"
    assert user_state_directory({}) == home
    assert user_state_directory({"XDG_STATE_HOME": "relative"}) == home


def test_each_download_keeps_its_own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    here = transfer_state_directory(b"\xab" * 20, Path("here"))
    assert here == transfer_state_directory(b"\xab" * 20, tmp_path / "here")
    assert here.name.startswith("ab" * 20 + "-")
    assert here != transfer_state_directory(b"\xab" * 20, tmp_path)
    assert here != transfer_state_directory(b"\xac" * 20, Path("here"))
