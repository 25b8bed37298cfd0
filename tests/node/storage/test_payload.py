import errno

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.storage.errors import AccessDenied, DiskFault, DiskFull, ForeignFile, MissingData
from node.storage.layout import Layout
from node.storage.payload import MAX_VIEWS, PART_FILE, Payload
from tests.node.storage.torrents import FaultyDisk, content, put, torrent


def payload_of(metainfo, root, disk=None):
    return Payload(metainfo, Layout(metainfo), disk or FaultyDisk(root), shown=str(root))


FILES = {"a": content(20), "pad": bytes(12), "d/b": content(37, 2), "e": b"", "c": content(9, 3)}


@pytest.fixture
def case(tmp_path):
    metainfo, data = torrent(FILES, attributes={"pad": "p"})
    disk = FaultyDisk(tmp_path)
    return payload_of(metainfo, tmp_path, disk), data, disk


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data())
def test_what_is_written_in_any_pieces_is_read_in_any_views(case, data):
    payload, body, disk = case
    disk.most = data.draw(st.integers(0, 5))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(body) - 1))))
    for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
        payload.write(start, memoryview(body)[start:end])
    offset = data.draw(st.integers(0, len(body) - 1))
    buffer = bytearray(len(body) - offset)
    view = memoryview(buffer)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(buffer)))))
    payload.read(offset, [view[a:b] for a, b in zip([0, *cuts], [*cuts, len(buffer)], strict=True)])
    assert buffer == body[offset:]


def test_padding_never_reaches_the_disk(case, tmp_path):
    payload, body, _ = case
    payload.write(0, memoryview(body))
    found = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert found == ["T/a", "T/c", "T/d/b"]


def test_more_views_than_one_call_takes(tmp_path):
    metainfo, body = torrent(content(3 * MAX_VIEWS), piece_length=1024)
    put(tmp_path, metainfo, body)
    disk = FaultyDisk(tmp_path)
    payload = payload_of(metainfo, tmp_path, disk)
    buffer = bytearray(len(body) - 1)
    view = memoryview(buffer)
    payload.read(1, [view[i : i + 1] for i in range(len(buffer))])
    assert buffer == body[1:]
    assert [size for _, _, size in disk.reads] == [MAX_VIEWS, MAX_VIEWS, MAX_VIEWS - 1]


def test_adjacent_views_are_one_call(tmp_path):
    metainfo, body = torrent(content(64))
    put(tmp_path, metainfo, body)
    disk = FaultyDisk(tmp_path)
    buffer = memoryview(bytearray(48))
    payload_of(metainfo, tmp_path, disk).read(8, [buffer[:16], buffer[16:32], buffer[32:]])
    assert disk.reads == [("T", 8, 48)]


def test_f7_a_truncated_file_is_missing_from_the_first_absent_byte(case, tmp_path):
    payload, body, _ = case
    payload.write(0, memoryview(body))
    with (tmp_path / "T/d/b").open("r+b") as file:
        file.truncate(18)  # torrent bytes 32..50 are left, piece 3 is 48..64
    buffer = memoryview(bytearray(60))
    with pytest.raises(MissingData, match=r"piece 3 cannot be read: .*T/d/b ends at byte 18") as e:
        payload.read(0, [buffer])
    assert e.value.piece == 3


def test_f7_a_deleted_file_is_missing(case, tmp_path):
    payload, body, _ = case
    payload.write(0, memoryview(body))
    payload.close()
    (tmp_path / "T/a").unlink()
    with pytest.raises(MissingData, match=r"piece 1 .*T/a: the file has disappeared"):
        payload.read(17, [memoryview(bytearray(1))])


def test_f3_an_input_output_error_names_the_piece_and_the_file(case):
    payload, body, disk = case
    payload.write(0, memoryview(body))
    disk.errors["read", "b"] = errno.EIO
    with pytest.raises(MissingData, match=r"piece 4 .*T/d/b: the disk reports an input/output"):
        payload.read(66, [memoryview(bytearray(1))])


@pytest.mark.parametrize(
    ("operation", "code", "kind", "sentence"),
    [
        ("write", errno.ENOSPC, DiskFull, "the disk is full"),
        ("write", errno.EDQUOT, DiskFull, "the disk quota is used up"),
        ("open", errno.EROFS, AccessDenied, "the file system is read-only"),
        ("open", errno.EACCES, AccessDenied, "permission denied"),
        ("write", errno.EIO, DiskFault, "the disk reports an input/output error"),
        ("write", errno.EFBIG, DiskFault, "the file system cannot hold a file this large"),
        ("open", errno.EMFILE, DiskFault, "too many files are open"),
        ("write", errno.ENODEV, DiskFault, "injected"),
    ],
)
def test_f1_f3_every_refusal_is_a_sentence_with_the_file(
    case, tmp_path, operation, code, kind, sentence
):
    payload, body, disk = case
    disk.errors[operation, "b"] = code
    with pytest.raises(kind) as error:
        payload.write(0, memoryview(body))
    assert str(error.value) == f"{tmp_path}/T/d/b: {sentence}"


def test_a_read_that_is_refused_is_not_missing_data(case):
    payload, body, disk = case
    payload.write(0, memoryview(body))
    payload.close()
    disk.errors["open", "a"] = errno.EACCES
    with pytest.raises(AccessDenied):
        payload.read(0, [memoryview(bytearray(1))])


def test_bytes_of_unwanted_files_go_to_the_part_file(case, tmp_path):
    payload, body, _ = case
    payload.in_parts = frozenset({2})
    payload.write(0, memoryview(body))
    assert not (tmp_path / "T/d").exists()
    parts = tmp_path / payload.path(PART_FILE)[0]
    assert parts.name.startswith(".everswarm-")
    assert parts.read_bytes()[32:69] == body[32:69]
    buffer = bytearray(len(body))
    payload.read(0, [memoryview(buffer)])
    assert buffer == body


def test_moving_out_of_the_part_file(case, tmp_path):
    payload, body, _ = case
    payload.in_parts = frozenset({2, 4})
    payload.write(0, memoryview(body))
    payload.move_out_of_parts({2: [(2, 3), (4, 5)], 4: []})
    assert (tmp_path / "T/d/b").read_bytes() == body[32:48] + bytes(16) + body[64:69]
    assert not (tmp_path / "T/c").exists()


def test_a_move_never_writes_over_what_stands_there(case, tmp_path):
    payload, body, _ = case
    payload.in_parts = frozenset({0, 2})
    payload.write(0, memoryview(body))
    (tmp_path / "T/d").mkdir()
    (tmp_path / "T/d/b").write_bytes(b"precious")
    with pytest.raises(ForeignFile, match="T/d/b is not this torrent's data; move it away"):
        payload.move_out_of_parts({0: [(0, 2)], 2: [(2, 3)]})
    assert (tmp_path / "T/d/b").read_bytes() == b"precious"
    assert not (tmp_path / "T/a").exists()


def test_f1_a_move_that_fails_leaves_nothing_behind(case, tmp_path):
    payload, body, disk = case
    payload.in_parts = frozenset({0, 2})
    payload.write(0, memoryview(body))
    disk.room = 25
    with pytest.raises(DiskFull):
        payload.move_out_of_parts({0: [(0, 2)], 2: [(2, 5)]})
    assert not (tmp_path / "T/a").exists()
    assert not (tmp_path / "T/d/b").exists()


def test_t11_preallocation_looks_at_the_free_space_first(case, tmp_path):
    payload, _, disk = case
    disk.free = 56
    with pytest.raises(DiskFull, match="57 bytes are needed and 56 are free"):
        payload.preallocate([0, 2])
    assert list(tmp_path.iterdir()) == []
    disk.free = 57
    payload.preallocate([0, 2])
    assert (tmp_path / "T/a").stat().st_size == 20
    assert (tmp_path / "T/d/b").stat().st_size == 37
    assert payload.is_blank(0)
    payload.write(19, memoryview(b"!"))
    assert not payload.is_blank(0)


def test_the_x_attribute_is_honoured(tmp_path):
    metainfo, body = torrent({"run": content(5), "no": content(5)}, attributes={"run": "x"})
    payload_of(metainfo, tmp_path).write(0, memoryview(body))
    assert (tmp_path / "T/run").stat().st_mode & 0o100
    assert not (tmp_path / "T/no").stat().st_mode & 0o111


def test_sync_says_which_files_failed(case):
    payload, body, disk = case
    payload.write(0, memoryview(body))
    disk.errors["sync", "b"] = errno.EIO
    failed = payload.sync([0, 2, 4])
    assert list(failed) == [2]
    assert disk.synced == ["a", "c"]
