from dataclasses import replace

import pytest

from node.storage.errors import ForeignFile, UnsafePath
from node.storage.examination import Opening, examine
from node.storage.layout import Layout
from node.storage.open_files import FileStatus
from node.storage.payload import PART_FILE, Payload
from node.storage.resume import Fingerprint, Snapshot
from tests.node.storage.torrents import FaultyDisk, content, put, torrent

# Pieces of 16 bytes: file 0 has 0..2 (2 shared), file 1 has 2..5.
METAINFO, DATA = torrent({"a": content(40), "b": content(56, 2)})
LAYOUT = Layout(METAINFO)
A, B = FileStatus(40, 100, 1), FileStatus(56, 200, 2)
PRINTS = {0: Fingerprint(40, 100, 1), 1: Fingerprint(56, 200, 2)}
FULL = 0b111111


def look(snapshot, a=A, b=B, parts=None, in_parts=()):
    statuses = {0: a, 1: b, PART_FILE: parts}
    payload = Payload(METAINFO, LAYOUT, FaultyDisk(None), shown="")  # asked for sizes only
    payload.in_parts = frozenset(in_parts)
    known = snapshot.verified | snapshot.in_flight
    present = payload.present(statuses, known)
    return examine(LAYOUT, snapshot, statuses, present=present, in_parts=payload.in_parts)


def outcome(findings):
    return findings.trusted, findings.suspect, findings.unproven


def test_f4_after_a_clean_stop_nothing_is_read():
    assert outcome(look(Snapshot(FULL, 0, PRINTS))) == (FULL, 0, ())


def test_f4_after_an_unclean_stop_only_pieces_in_flight_are_read():
    later = {"a": A._replace(mtime_ns=900), "b": B._replace(mtime_ns=901)}
    found = look(Snapshot(0b011011, 0b000110, PRINTS, is_clean=False), **later)
    assert outcome(found) == (0b011001, 0b000110, ())


@pytest.mark.parametrize(
    "changed", [A._replace(mtime_ns=101), A._replace(mtime_ns=99), A._replace(inode=9)]
)
def test_f7_a_file_changed_after_a_clean_stop_is_read_and_must_prove_itself(changed):
    assert outcome(look(Snapshot(FULL, 0, PRINTS), a=changed)) == (0b111000, 0b000111, (0,))


@pytest.mark.parametrize(
    ("changed", "unproven"),
    [
        (A._replace(inode=9), (0,)),  # replaced
        (A._replace(mtime_ns=99), ()),  # older than recorded, but the file we wrote to
    ],
)
def test_f7_a_file_replaced_before_an_unclean_stop_is_read(changed, unproven):
    found = look(Snapshot(FULL, 0, PRINTS, is_clean=False), a=changed)
    assert outcome(found) == (0b111000, 0b000111, unproven)


def test_f7_a_truncated_file_loses_what_is_gone_and_the_rest_is_read():
    short = B._replace(size=30, mtime_ns=300)  # bytes 40..70: piece 4 is cut
    found = look(Snapshot(FULL, 0, PRINTS, is_clean=False), b=short)
    assert outcome(found) == (0b000011, 0b001100, ())


def test_a_file_may_be_shorter_as_long_as_the_verified_bytes_are_there():
    prints = {1: Fingerprint(24, 200, 2)}
    found = look(Snapshot(0b001000, 0, prints), a=None, b=B._replace(size=24))
    assert outcome(found) == (0b001000, 0, ())


def test_f7_a_deleted_file_loses_its_pieces_without_reading():
    assert outcome(look(Snapshot(FULL, 0, PRINTS), a=None)) == (0b111000, 0, ())


def test_f6_without_a_record_all_that_exists_is_read():
    assert outcome(look(Snapshot(), b=None)) == (0, 0b000011, (0,))
    assert outcome(look(Snapshot())) == (0, FULL, (0, 1))
    assert outcome(look(Snapshot(), a=A._replace(size=0), b=None)) == (0, 0, ())


def test_f4_a_file_that_appeared_just_before_an_unclean_stop_is_ours():
    found = look(Snapshot(0b1, 0b001000, {0: PRINTS[0]}, is_clean=False))
    assert outcome(found) == (0b000001, 0b001000, ())
    found = look(Snapshot(0b1, 0b000010, {0: PRINTS[0]}, is_clean=False))
    assert outcome(found) == (0b000001, 0b111110, (1,))


def test_pieces_in_the_part_file_stand_and_fall_with_it():
    prints = PRINTS | {PART_FILE: Fingerprint(70, 300, 3)}
    snapshot = Snapshot(0b000111, 0, prints, frozenset({1}))
    part = FileStatus(70, 300, 3)
    assert outcome(look(snapshot, b=None, parts=part, in_parts={1})) == (0b000111, 0, ())
    assert outcome(look(snapshot, b=None, parts=None, in_parts={1})) == (0b000011, 0, ())
    replaced = part._replace(inode=4)
    found = look(snapshot, b=None, parts=replaced, in_parts={1})
    assert outcome(found) == (0b000011, 0b000100, ())
    found = look(replace(snapshot, verified=FULL), b=None, parts=replaced, in_parts={1})
    assert outcome(found) == (0b000011, 0b111100, ())


def opening(root, *, wanted=(0, 1), overwrite=False):
    payload = Payload(METAINFO, LAYOUT, FaultyDisk(root), shown=str(root))
    return Opening(LAYOUT, payload, frozenset(wanted), overwrite=overwrite), payload


def test_a_file_longer_than_declared_is_foreign(tmp_path):
    put(tmp_path, METAINFO, DATA)
    (tmp_path / "T/a").write_bytes(content(41))
    with pytest.raises(ForeignFile, match="T/a is longer than this torrent's file; move it away"):
        opening(tmp_path)[0].examine(Snapshot())
    assert (tmp_path / "T/a").stat().st_size == 41
    findings = opening(tmp_path, overwrite=True)[0].examine(Snapshot())
    assert not (tmp_path / "T/a").exists()
    assert findings.suspect == 0b111000


@pytest.mark.parametrize("overwrite", [False, True])
def test_t2_no_link_or_directory_is_ever_replaced(tmp_path, overwrite):
    (tmp_path / "T" / "a").mkdir(parents=True)
    with pytest.raises(UnsafePath, match="T/a is not a plain file; move it away"):
        opening(tmp_path, overwrite=overwrite)[0].examine(Snapshot())
    (tmp_path / "T" / "a").rmdir()
    (tmp_path / "T" / "a").symlink_to(tmp_path)
    with pytest.raises(UnsafePath, match="T/a is not a plain file; move it away"):
        opening(tmp_path, overwrite=overwrite)[0].examine(Snapshot())


def test_what_stands_where_an_unwanted_file_would_be_is_left_alone(tmp_path):
    (tmp_path / "T" / "b").mkdir(parents=True)
    found, payload = opening(tmp_path, wanted=(0,), overwrite=True)
    found.examine(Snapshot())
    assert payload.in_parts == {1}
    (tmp_path / "T" / "b").rmdir()
    (tmp_path / "T" / "b").write_bytes(b"precious")
    found, payload = opening(tmp_path, wanted=(0,), overwrite=True)
    found.admit(found.examine(Snapshot()).unproven, 0)
    assert payload.in_parts == {1}
    assert (tmp_path / "T" / "b").read_bytes() == b"precious"


def test_one_matching_piece_proves_a_file(tmp_path):
    put(tmp_path, METAINFO, DATA)
    found, _ = opening(tmp_path)
    found.admit((0, 1), 0b000100)
    with pytest.raises(ForeignFile, match="T/a is not this torrent's data: no piece of it matches"):
        found.admit((0, 1), 0b001000)


def test_zeros_prove_nothing_but_are_nobodys_data(tmp_path):
    put(tmp_path, METAINFO, bytes(len(DATA)))
    opening(tmp_path)[0].admit((0, 1), 0)
    (tmp_path / "T/b").write_bytes(bytes(55) + b"\1")
    with pytest.raises(ForeignFile, match="T/b"):
        opening(tmp_path)[0].admit((0, 1), 0)


def test_a_file_that_was_never_written_is_foreign_wherever_it_comes_from(tmp_path):
    """The record says its bytes are in the part file; now it is wanted."""
    put(tmp_path, METAINFO, DATA)
    snapshot = Snapshot(in_parts=frozenset({1}))
    with pytest.raises(ForeignFile, match="T/b is not this torrent's data: it was never written"):
        opening(tmp_path)[0].examine(snapshot)
