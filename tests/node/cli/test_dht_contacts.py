from pathlib import Path

import pytest

from node.cli.dht_contacts import MAX_SIZE, ContactsFile


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    file = ContactsFile(tmp_path / "deep" / "state")
    assert file.load() is None
    for data in (b"one", b"two"):
        file.save(data)
        assert file.load() == data
    assert [path.name for path in file.path.parent.iterdir()] == ["dht.contacts"]


def test_what_cannot_be_written_leaves_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = ContactsFile(tmp_path)
    file.save(b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        file.save(b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["dht.contacts"]
    assert file.load() == b"old"


def test_d15_a_huge_file_is_not_read_whole(tmp_path: Path) -> None:
    (tmp_path / "dht.contacts").write_bytes(bytes(10 * MAX_SIZE))
    assert len(ContactsFile(tmp_path).load() or b"") == MAX_SIZE + 1
