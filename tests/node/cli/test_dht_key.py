import stat
from pathlib import Path

import pytest

from formats.errors import ConfigError
from node.cli.dht_key import load_key


def test_a_new_key_is_its_owners_alone_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "key"
    key = load_key(path, create=True)
    assert path.read_text() == key.private_bytes_raw().hex() + "\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for create in (False, True):
        assert load_key(path, create=create).private_bytes_raw() == key.private_bytes_raw()


def test_a_key_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("AB" * 32)
    assert load_key(path, create=False).private_bytes_raw() == b"\xab" * 32


def test_a_key_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no such key; --create-key makes one$"):
        load_key(tmp_path / "key", create=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"ab" * 31, b"ab" * 33, b"\xff" * 64, b"0" * 10**6])
def test_a_file_that_is_no_key_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"is not a key: it has to hold 64 hexadecimal digits$"):
        load_key(path, create=True)
    assert path.read_bytes() == content
