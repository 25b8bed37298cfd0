import threading

import pytest

from node.storage.open_files import OpenFiles
from tests.node.storage.torrents import FaultyDisk


def test_f8_no_more_files_stay_open_than_the_limit(tmp_path):
    disk = FaultyDisk(tmp_path)
    files = OpenFiles(disk, limit=3)
    for index in range(10):
        with files.use((f"{index}",), write=True) as file:
            file.write(memoryview(b"x"), 0)
        assert disk.open_count == min(index + 1, 3) == len(files)
    files.close()
    assert disk.open_count == 0


def test_the_least_recently_used_goes_first(tmp_path):
    disk = FaultyDisk(tmp_path)
    files = OpenFiles(disk, limit=2)
    seen = []
    for name in "abacab":
        with files.use((name,), write=True) as file:
            seen.append(file)
    assert seen[0] is seen[2] is seen[4]
    assert seen[1] is not seen[5]
    files.close()


def test_a_file_in_use_outlives_its_eviction(tmp_path):
    disk = FaultyDisk(tmp_path)
    files = OpenFiles(disk, limit=1)
    with files.use(("a",), write=True) as file:
        with files.use(("b",), write=True):
            pass
        files.close()
        assert disk.open_count == 1
        file.write(memoryview(b"late"), 0)
    assert disk.open_count == 0
    assert (tmp_path / "a").read_bytes() == b"late"


def test_a_file_opened_to_read_is_opened_again_to_write(tmp_path):
    disk = FaultyDisk(tmp_path)
    (tmp_path / "a").write_bytes(b"x")
    files = OpenFiles(disk)
    with files.use(("a",)) as read_only, files.use(("a",), write=True) as writable:
        assert writable is not read_only
        writable.write(memoryview(b"y"), 0)
    assert disk.open_count == 1
    with files.use(("a",)) as again:
        assert again is writable
    files.forget(("a",))
    assert disk.open_count == 0


def test_a_failed_open_leaves_nothing(tmp_path):
    disk = FaultyDisk(tmp_path)
    files = OpenFiles(disk)
    with pytest.raises(FileNotFoundError), files.use(("a",)):
        pass
    assert len(files) == disk.open_count == 0


def test_two_threads_and_a_small_limit(tmp_path):
    disk = FaultyDisk(tmp_path)
    files = OpenFiles(disk, limit=2)
    for index in range(8):
        (tmp_path / f"{index}").write_bytes(b"%d" % index)
    wrong = []

    def work(step):
        buffer = bytearray(1)
        for turn in range(2000):
            index = turn * step % 8
            with files.use((f"{index}",)) as file:
                file.read([memoryview(buffer)], 0)
            if buffer != b"%d" % index:
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(step,)) for step in (1, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    files.close()
    assert wrong == []
