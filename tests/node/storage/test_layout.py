import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.storage import piece_set
from node.storage.layout import PADDING, Layout, Segment
from tests.node.storage.torrents import content, torrent


@st.composite
def layouts(draw):
    """A layout, and for every byte of the torrent its (file, offset)."""
    lengths = draw(st.lists(st.integers(0, 12), min_size=1, max_size=8).filter(any))
    padded = draw(st.lists(st.booleans(), min_size=len(lengths), max_size=len(lengths)))
    if all(pad or not length for pad, length in zip(padded, lengths, strict=True)):
        padded = [False] * len(lengths)
    files = {f"{i}": content(length, i) for i, length in enumerate(lengths)}
    attributes = {f"{i}": "p" for i, pad in enumerate(padded) if pad}
    metainfo, _ = torrent(files, piece_length=draw(st.integers(1, 9)), attributes=attributes)
    where = [
        (PADDING if file.is_padding else index, offset)
        for index, file in enumerate(metainfo.files)
        for offset in range(file.length)
    ]
    return Layout(metainfo), where


@given(layouts(), st.data())
def test_segments_are_the_bytes_one_by_one(case, data):
    layout, where = case
    offset = data.draw(st.integers(0, len(where)))
    length = data.draw(st.integers(0, len(where) - offset))
    segments = layout.segments(offset, length)
    assert [
        (file, at) for file, start, size in segments for at in range(start, start + size)
    ] == where[offset : offset + length]
    assert all(segment.length > 0 for segment in segments)


@given(layouts())
def test_pieces_of_a_file_are_those_that_hold_its_bytes(case):
    layout, _ = case
    for index, file in enumerate(layout.files):
        pieces = {b // layout.piece_length for b in range(file.offset, file.offset + file.length)}
        assert layout.pieces_of([index]) == sum(1 << piece for piece in pieces)


@given(layouts(), st.integers(0, 2**100))
def test_progress_counts_verified_bytes(case, verified):
    layout, _ = case
    verified &= (1 << layout.piece_count) - 1
    start = [file.offset for file in layout.files]
    assert layout.progress(verified) == [
        sum(
            verified >> (start[index] + byte) // layout.piece_length & 1
            for byte in range(file.length)
        )
        for index, file in enumerate(layout.files)
    ]
    assert layout.files_of(verified) == [
        index for index in layout.stored if verified & layout.pieces_of([index])
    ]


@given(layouts(), st.data())
def test_pieces_present_lack_no_byte(case, data):
    layout, where = case
    sizes = {
        index: data.draw(st.integers(0, layout.files[index].length + 2)) for index in layout.stored
    }
    missing = {
        position // layout.piece_length
        for position, (file, offset) in enumerate(where)
        if offset >= sizes.get(file, 1 << 60)
    }
    expected = sum(1 << i for i in range(layout.piece_count) if i not in missing)
    assert layout.pieces_present(sizes) == expected


def test_the_end_of_what_is_verified_of_a_file():
    layout = Layout(torrent({"a": content(20), "b": content(40)}, piece_length=16)[0])
    digits = piece_set.digits(0b0110, layout.piece_count)
    assert layout.end_of(0, digits) == 20
    assert layout.end_of(1, digits) == 28
    assert layout.end_of(1, "0000") == 0
    assert layout.end_of(0, "1000") == 16


def test_links_and_padding_are_not_stored():
    attributes = {"p": "p", "l": "l"}
    files = {"a": content(10), "p": bytes(6), "l": b"", "b": content(5)}
    layout = Layout(torrent(files, attributes=attributes)[0])
    assert layout.stored == (0, 3)
    assert layout.segments(8, 10) == [Segment(0, 8, 2), Segment(PADDING, 0, 6), Segment(3, 0, 2)]


def test_a_range_outside_the_torrent_is_our_bug():
    layout = Layout(torrent(content(20))[0])
    for offset, length in ((-1, 2), (19, 2), (21, 0)):
        with pytest.raises(ValueError, match="outside the torrent"):
            layout.segments(offset, length)


def test_a_hundred_thousand_files():
    metainfo, _ = torrent(content(100_000), piece_length=16)
    one = metainfo.files[0]
    files = [
        replace(one, path=(f"{i}",), length=i % 3, offset=i // 3 * 3 + (0, 0, 1)[i % 3])
        for i in range(100_000)
    ]
    layout = Layout(replace(metainfo, files=tuple(files)))
    begun = time.process_time()
    everything = (1 << layout.piece_count) - 1
    assert layout.pieces_of(range(100_000)) == everything
    assert sum(layout.progress(everything)) == 99_999
    for index in range(layout.piece_count - 1):
        assert len(layout.segments(*layout.extent(index, index + 1))) in (10, 11)
    assert time.process_time() - begun < 2
