import asyncio
import dataclasses
import hashlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import libtorrent
import pytest

from formats import hashing
from formats.create import (
    Created,
    CreateError,
    SourceError,
    TorrentSpec,
    create,
    piece_length_for,
)
from formats.errors import ConfigError, StorageError
from formats.metainfo import parse_metainfo

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of a few files whose order is not that of the file system."""
    root = tmp_path / "root"
    write(root / "zebra.bin", bytes(range(256)) * 300)
    write(root / "sub" / "inner.bin", b"inner" * 9_000)
    write(root / "sub.txt", b"after sub/, for elements are compared one by one")
    write(root / "empty", b"")
    write(root / "é", "é".encode())
    return root


def write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def names(created: Created) -> list[str]:
    return ["/".join(file.path[1:]) for file in created.metainfo.files]


def digests_of(content: bytes, piece_length: int) -> bytes:
    """The piece hashes of `content`, reckoned independently."""
    pieces = (content[at : at + piece_length] for at in range(0, len(content), piece_length))
    return b"".join(hashlib.sha1(piece).digest() for piece in pieces)


async def test_folder(folder: Path) -> None:
    created = await create(TorrentSpec((folder,), piece_length=16 * KIB))
    assert names(created) == ["empty", "sub/inner.bin", "sub.txt", "zebra.bin", "é"]
    assert created.sources == tuple(folder.joinpath(*name.split("/")) for name in names(created))
    assert created.left_out == ()
    content = b"".join(path.read_bytes() for path in created.sources)
    assert created.metainfo.hashes.digests == digests_of(content, 16 * KIB)
    assert created.metainfo.name == "root"
    assert not created.metainfo.is_single_file
    assert parse_metainfo(created.torrent) == created.metainfo


async def test_libtorrent_reads_what_we_make(folder: Path) -> None:
    spec = TorrentSpec(
        (folder,),
        name="other name",
        tiers=(("http://one.example/a", "http://two.example/a"), ("udp://three.example:6969",)),
        nodes=(("router.example", 6881), ("2001:db8::1", 1)),
        web_seeds=("http://seed.example/", "https://seed.example/"),
        piece_length=32 * KIB,
        comment="größe",
        source="here",
        created_by="the creator",
        creation_date=1_700_000_000,
    )
    created = await create(spec)
    theirs = libtorrent.load_torrent_buffer(created.torrent)
    layout = theirs.ti.layout()
    assert theirs.ti.info_hashes().v1.to_bytes() == created.metainfo.info_hash
    assert not theirs.ti.info_hashes().has_v2()
    assert [(layout.file_path(n), layout.file_size(n)) for n in range(theirs.ti.num_files())] == [
        ("/".join(file.path), file.length) for file in created.metainfo.files
    ]
    assert theirs.ti.piece_length() == 32 * KIB
    assert theirs.ti.name() == "other name"
    assert theirs.trackers == [
        "http://one.example/a",
        "http://two.example/a",
        "udp://three.example:6969",
    ]
    assert theirs.tracker_tiers == [0, 0, 1]
    assert theirs.url_seeds == ["http://seed.example/", "https://seed.example/"]
    assert theirs.dht_nodes == [("router.example", 6881), ("2001:db8::1", 1)]
    assert (theirs.comment, theirs.created_by) == ("größe", "the creator")
    assert theirs.creation_date == 1_700_000_000
    assert parse_metainfo(created.torrent) == created.metainfo


async def test_single_file_byte_by_byte(tmp_path: Path) -> None:
    data = write(tmp_path / "file.txt", b"spam" * 5_000)
    spec = TorrentSpec(
        (data,),
        tiers=(("http://t.example/",),),
        web_seeds=("http://w.example/",),
        private=True,
        source="s",
    )
    created = await create(spec)
    pieces = digests_of(b"spam" * 5_000, 16 * KIB)
    assert created.torrent == (
        b"d8:announce17:http://t.example/4:infod6:lengthi20000e4:name8:file.txt"
        b"12:piece lengthi16384e6:pieces40:" + pieces + b"7:privatei1e6:source1:se"
        b"8:url-listl17:http://w.example/ee"
    )
    assert created.sources == (data,)
    assert created.metainfo.is_single_file


async def test_info_dictionary_is_that_of_mktorrent(tmp_path: Path) -> None:
    # mktorrent 1.1 -l 15 -d -p -s src d
    write(tmp_path / "d" / "a.txt", b"xyz")
    write(tmp_path / "d" / "sub" / "y", b"c\n")
    spec = TorrentSpec(
        (tmp_path / "d",),
        tiers=(("http://a/x",),),
        piece_length=32 * KIB,
        private=True,
        source="src",
    )
    assert (await create(spec)).metainfo.info_bytes == (
        b"d5:filesld6:lengthi3e4:pathl5:a.txteed6:lengthi2e4:pathl3:sub1:yeee4:name1:d"
        b"12:piece lengthi32768e6:pieces20:-\xea\x1dml\xd1'\x04\x90\xa1i'\xa7\xd0\xab\xfb\x99\xc7\x8d&"
        b"7:privatei1e6:source3:srce"
    )


async def test_same_input_same_bytes(folder: Path) -> None:
    spec = TorrentSpec((folder,), tiers=(("http://t.example/",),))
    assert (await create(spec)).torrent == (await create(spec)).torrent


async def test_several_paths_become_a_folder(folder: Path, tmp_path: Path) -> None:
    extra = write(tmp_path / "extra.txt", b"extra")
    with pytest.raises(CreateError, match="several paths needs a name"):
        await create(TorrentSpec((extra, folder)))
    created = await create(TorrentSpec((extra, folder / "sub"), name="both"))
    assert names(created) == ["extra.txt", "sub/inner.bin"]
    assert created.metainfo.name == "both"
    assert created.sources == (extra, folder / "sub" / "inner.bin")
    with pytest.raises(CreateError, match=r"two files would be named 'extra\.txt'"):
        await create(TorrentSpec((extra, write(tmp_path / "x" / "extra.txt", b"2")), name="both"))


async def test_path_written_as_a_dot(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder / "sub")
    assert (await create(TorrentSpec((Path(),)))).metainfo.name == "sub"
    assert (await create(TorrentSpec((Path(".."),)))).metainfo.name == "root"


async def test_hidden_files_are_left_out_unless_wanted(folder: Path) -> None:
    env, git = write(folder / ".env", b"secret"), write(folder / "sub" / ".git" / "config", b"x")
    created = await create(TorrentSpec((folder,)))
    assert created.left_out == (env, git.parent)
    assert names(created) == ["empty", "sub/inner.bin", "sub.txt", "zebra.bin", "é"]
    everything = await create(TorrentSpec((folder,), include_hidden=True))
    assert names(everything)[:3] == [".env", "empty", "sub/.git/config"]
    named = await create(TorrentSpec((env,)))
    assert named.metainfo.name == ".env"


async def test_links_inside_are_followed(folder: Path) -> None:
    (folder / "a-link").symlink_to("sub.txt")
    (folder / "b-link").symlink_to("sub", target_is_directory=True)
    created = await create(TorrentSpec((folder,)))
    assert names(created)[:2] == ["a-link", "b-link/inner.bin"]
    content = b"".join(path.read_bytes() for path in created.sources)
    assert created.metainfo.hashes.digests == digests_of(content, created.metainfo.piece_length)


async def test_link_that_leads_outside_is_refused_unless_allowed(
    folder: Path, tmp_path: Path
) -> None:
    secret = write(tmp_path / "secret", b"secret")
    (folder / "link").symlink_to(secret)
    with pytest.raises(CreateError, match=r"link is a link to .*secret, outside of what is being"):
        await create(TorrentSpec((folder,)))
    allowed = await create(TorrentSpec((folder,), allow_outside_links=True))
    assert "link" in names(allowed)
    named = await create(TorrentSpec((folder / "link",)))
    assert (named.metainfo.name, named.metainfo.total_size) == ("link", 6)


async def test_link_into_its_own_folder_is_refused(folder: Path) -> None:
    (folder / "sub" / "loop").symlink_to(folder, target_is_directory=True)
    with pytest.raises(CreateError, match="loop is a link back to a folder that it lies in"):
        await create(TorrentSpec((folder,)))


async def test_dangling_link_is_refused(folder: Path) -> None:
    (folder / "dangling").symlink_to("nowhere")
    with pytest.raises(CreateError, match="dangling is a link to nowhere, which is missing"):
        await create(TorrentSpec((folder,)))


async def test_pipes_are_left_out_but_refused_by_name(folder: Path) -> None:
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    assert (await create(TorrentSpec((folder,)))).left_out == (pipe,)
    with pytest.raises(CreateError, match="pipe is neither a file nor a folder"):
        await create(TorrentSpec((pipe,)))


async def test_missing_and_empty_sources_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CreateError, match="nowhere does not exist"):
        await create(TorrentSpec((tmp_path / "nowhere",)))
    (tmp_path / "empty" / "deeper").mkdir(parents=True)
    with pytest.raises(CreateError, match=r"nothing to publish: .*empty holds no data"):
        await create(TorrentSpec((tmp_path / "empty",)))
    with pytest.raises(CreateError, match="holds no data"):
        await create(TorrentSpec((write(tmp_path / "zero", b""),)))
    with pytest.raises(CreateError, match="no file or folder is given"):
        await create(TorrentSpec(()))


async def test_name_that_is_not_utf_8_is_refused(folder: Path) -> None:
    os.close(os.open(os.fsencode(folder) + b"/caf\xe9", os.O_CREAT | os.O_WRONLY))
    with pytest.raises(CreateError, match=r"caf.* is not UTF-8; rename it"):
        await create(TorrentSpec((folder,)))


async def test_unreadable_file_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_open = os.open

    def refusing_open(path: Path, flags: int) -> int:
        if Path(path).name == "sub.txt":
            raise PermissionError(13, "Permission denied")
        return real_open(path, flags)

    monkeypatch.setattr(hashing.os, "open", refusing_open)
    with pytest.raises(SourceError, match=r"cannot read .*sub\.txt: Permission denied"):
        await create(TorrentSpec((folder,)))


class MeddlingExecutor(ThreadPoolExecutor):
    """Does something to the files between finding and hashing them."""

    def __init__(self, meddle: Callable[[], object]) -> None:
        super().__init__(1)
        self._meddle: Callable[[], object] | None = meddle

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if fn.__name__ == "hash_run" and self._meddle is not None:
            self._meddle()
            self._meddle = None
        return super().submit(fn, *args, **kwargs)


@pytest.mark.parametrize(
    "meddle",
    [
        lambda path: os.truncate(path, 10),
        lambda path: path.write_bytes(path.read_bytes() + b"more"),
        lambda path: os.utime(path, ns=(0, 0)),
        lambda path: (path.unlink(), path.write_bytes(bytes(76_800))),
        lambda path: (path.unlink(), os.mkfifo(path)),
    ],
    ids=["cut", "grown", "touched", "replaced", "pipe"],
)
async def test_file_that_changes_meanwhile_is_named(
    folder: Path, meddle: Callable[[Path], object]
) -> None:
    changed = pytest.raises(SourceError, match=r"zebra\.bin changed while it was being hashed")
    with MeddlingExecutor(lambda: meddle(folder / "zebra.bin")) as executor, changed:
        await create(TorrentSpec((folder,)), executor=executor)


async def test_file_that_vanishes_meanwhile_is_named(folder: Path) -> None:
    unreadable = pytest.raises(SourceError, match=r"cannot read .*zebra\.bin: No such file")
    with MeddlingExecutor((folder / "zebra.bin").unlink) as executor, unreadable:
        await create(TorrentSpec((folder,)), executor=executor)


def test_errors_belong_to_the_families() -> None:
    assert issubclass(CreateError, ConfigError)
    assert issubclass(SourceError, StorageError)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"name": "a/b"}, "'a/b' is no good name for a torrent; try 'a_b'"),
        ({"name": ".."}, "try '__'"),
        ({"name": ""}, "try '_'"),
        ({"name": "x\ud800"}, "try 'x_'"),
        (
            {"piece_length": 16 * KIB - 1},
            "16383 bytes is not a power of two from 16384 to 536870912",
        ),
        ({"piece_length": 8 * KIB}, "8192 bytes is not a power of two"),
        ({"piece_length": 0}, "0 bytes is not a power of two"),
        ({"piece_length": 1 * GIB}, "not a power of two"),
        ({"tiers": (("wss://t.example/",),)}, "not the URL of a tracker: 'wss://t.example/'"),
        ({"tiers": ((),)}, "none of them empty"),
        ({"tiers": (("http://t.example/",),) * 21}, "at most 20 tiers"),
        ({"tiers": (("http://t.example/",) * 101,)}, "101 trackers; 100 is the most"),
        ({"web_seeds": ("ftp://w.example/",)}, "not the URL of a web seed: 'ftp://w.example/'"),
        ({"web_seeds": ("http://w.example/",) * 21}, "21 web seeds; 20 is the most"),
        ({"nodes": (("h", 0),)}, "not the port of a DHT node: 0"),
        ({"nodes": (("hé", 1),)}, "not the host of a DHT node: 'hé'"),
        ({"nodes": (("h", 1),) * 101}, "101 DHT nodes; 100 is the most"),
        ({"comment": "\udcff"}, "not text that can be written in UTF-8"),
        ({"private": True}, "a private torrent needs a tracker"),
        (
            {"private": True, "tiers": (("http://t/",),), "nodes": (("h", 1),)},
            "a private torrent cannot name DHT nodes",
        ),
    ],
)
async def test_options_that_make_no_sense(
    folder: Path, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(CreateError, match=sentence):
        await create(dataclasses.replace(TorrentSpec((folder,)), **options))


async def test_too_many_pieces_are_refused_before_hashing(tmp_path: Path) -> None:
    sparse = write(tmp_path / "sparse", b"")
    os.truncate(sparse, 16 * GIB)
    with pytest.raises(CreateError, match="would be 1048576; 500000 is the most that clients take"):
        await create(TorrentSpec((sparse,), piece_length=16 * KIB))


@pytest.mark.parametrize("length", [16 * KIB, 64 * KIB, 256 * KIB])
async def test_pieces_across_files_buffers_and_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    monkeypatch.setattr(hashing, "RUN_SIZE", 100 * KIB)
    monkeypatch.setattr(hashing, "BUFFER_SIZE", 24 * KIB)
    sizes = [1, 0, 16 * KIB, 99_999, 0, 64 * KIB - 1, 300_000, 5]
    for number, size in enumerate(sizes):
        write(
            tmp_path / "root" / f"{number}",
            hashlib.sha256(b"%d" % number).digest() * (size // 32 + 1),
        )
        os.truncate(tmp_path / "root" / f"{number}", size)
    progress: list[tuple[int, int]] = []
    created = await create(
        TorrentSpec((tmp_path / "root",), piece_length=length),
        on_progress=lambda done, total: progress.append((done, total)),
    )
    content = b"".join(path.read_bytes() for path in created.sources)
    assert created.metainfo.hashes.digests == digests_of(content, length)
    assert [done for done, _ in progress] == sorted({done for done, _ in progress})
    assert progress[-1] == (sum(sizes), sum(sizes))


async def test_cancelled_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write(tmp_path / "data", bytes(4 * MIB))
    monkeypatch.setattr(hashing, "BUFFER_SIZE", 16 * KIB)
    reading, go_on = threading.Event(), threading.Event()
    reads: list[int] = []
    real_preadv = os.preadv

    def slow_preadv(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        reads.append(offset)
        reading.set()
        go_on.wait(10)
        return real_preadv(descriptor, buffers, offset)

    monkeypatch.setattr(hashing.os, "preadv", slow_preadv)
    with ThreadPoolExecutor(1) as executor:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(create(TorrentSpec((data,)), executor=executor))
            while not reading.is_set():
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        go_on.set()
    assert len(reads) <= 2  # of 256: the thread stops after the buffer that it was at


class InlineExecutor(Executor):
    """Runs each job when it is submitted, as the simulated event loop's executor does."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


async def test_executor_that_runs_inline(folder: Path) -> None:
    created = await create(TorrentSpec((folder,)), executor=InlineExecutor())
    assert created.torrent == (await create(TorrentSpec((folder,)))).torrent


@pytest.mark.parametrize(
    ("size", "length"),
    [
        (1, 16 * KIB),
        (32 * MIB, 16 * KIB),
        (32 * MIB + 1, 32 * KIB),
        (1 * GIB, 512 * KIB),
        (3 * GIB // 2, 1 * MIB),
        (32 * GIB, 16 * MIB),
        (500 * GIB, 16 * MIB),
    ],
)
def test_automatic_piece_length(size: int, length: int) -> None:
    assert piece_length_for(size) == length
