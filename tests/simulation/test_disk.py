"""The simulated disk: what a real one does, and its faults."""

import errno
from collections.abc import Callable

import pytest

from node.storage.open_files import Disk, FileStatus, OpenFiles
from simulation.disk import SimulatedDisk
from simulation.executor import InlineExecutor

NAME = ("folder", "file")


def make(**options: float) -> SimulatedDisk:
    return SimulatedDisk(InlineExecutor(), clock=lambda: 1.5, **options)


def write(disk: Disk, data: bytes, offset: int = 0) -> None:
    disk.open(NAME, write=True).write(memoryview(data), offset)


def test_written_bytes_are_read_back_scattered_and_short_at_the_end():
    disk = make()
    write(disk, b"0123456789")
    write(disk, b"ab", 12)
    first, second = bytearray(4), bytearray(20)
    file = disk.open(NAME, write=False)
    assert file.read([memoryview(first), memoryview(second)], 5) == 9
    assert first + second == b"56789\0\0ab" + bytes(15)
    assert file.read([memoryview(first)], 14) == 0
    assert disk.statuses([NAME, ("folder",), ("no",)]) == [
        FileStatus(14, 1_500_000_000, 1, allocated=14),
        FileStatus(0, 0, 0, is_regular=False),
        None,
    ]
    assert disk.files == {NAME: b"0123456789\0\0ab"}


def test_it_serves_the_products_pool_of_open_files():
    disk = make()
    files = OpenFiles(disk, limit=1)
    for name in ("a", "b"):
        with files.use((name,), write=True) as file:
            file.write(memoryview(name.encode()), 0)
            file.sync()
    files.close()
    assert disk.files == {("a",): b"a", ("b",): b"b"}


def test_a_full_disk_takes_nothing_and_removal_makes_room():
    disk = make(capacity=10)
    write(disk, b"12345678")
    assert disk.free_space() == 2
    file = disk.open(NAME, write=True)
    for attempt in (lambda: file.write(memoryview(b"9ab"), 8), lambda: file.allocate(11)):
        with pytest.raises(OSError) as caught:
            attempt()
        assert caught.value.errno == errno.ENOSPC
    assert disk.files[NAME] == b"12345678"
    disk.remove(NAME)
    disk.remove(NAME)
    assert disk.free_space() == 10
    disk.open(NAME, write=True).allocate(10)
    assert disk.free_space() == 0


@pytest.mark.parametrize(
    ("operation", "act"),
    [
        ("open", lambda disk, file: disk.open(NAME, write=False)),
        ("read", lambda disk, file: file.read([memoryview(bytearray(1))], 0)),
        ("write", lambda disk, file: file.write(memoryview(b"x"), 0)),
        ("allocate", lambda disk, file: file.allocate(9)),
        ("sync", lambda disk, file: file.sync()),
        ("remove", lambda disk, file: disk.remove(NAME)),
        ("status", lambda disk, file: disk.statuses([NAME])),
    ],
)
def test_every_operation_fails_on_demand(operation: str, act: Callable[..., object]):
    disk = make()
    file = disk.open(NAME, write=True)
    disk.errors[operation] = errno.EIO
    with pytest.raises(OSError, match="Input/output error: 'folder/file'"):
        act(disk, file)
    del disk.errors[operation]
    act(disk, file)


def test_what_a_file_system_refuses():
    disk = make()
    write(disk, b"x")
    for path, number in [
        (("missing",), errno.ENOENT),
        (("folder",), errno.EISDIR),
        ((*NAME, "below"), errno.ENOTDIR),
    ]:
        with pytest.raises(OSError) as caught:
            disk.open(path, write=number != errno.ENOENT)
        assert caught.value.errno == number
    with pytest.raises(OSError) as caught:
        disk.open(NAME, write=False).write(memoryview(b"x"), 0)
    assert caught.value.errno == errno.EBADF


def test_corruption_is_silent():
    disk = make()
    write(disk, b"abc")
    before = disk.statuses([NAME])
    disk.corrupt(NAME, 1)
    assert disk.files[NAME] == b"a\x9dc"
    assert disk.statuses([NAME]) == before


def test_a_slow_disk_takes_its_time_in_the_executor():
    import asyncio

    import simulation

    async def main(network: simulation.Network) -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, simulation.SimulatedEventLoop)
        loop.executor.latency = 0.0
        disk = SimulatedDisk(loop.executor, clock=lambda: 0.0, latency=0.01, rate=1_000)
        await loop.run_in_executor(None, write, disk, bytes(500))
        return loop.time()

    assert simulation.run(main, seed=0) == 0.52  # open, write, and half a second of bytes
