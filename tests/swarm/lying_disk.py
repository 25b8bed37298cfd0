"""A disk whose reads lie: a whole everswarm node on it is a peer that sends bad blocks (P11)."""

import random
from collections.abc import Sequence

from node.storage.open_files import DiskFile, Path
from simulation.disk import SimulatedDisk


class LyingDisk(SimulatedDisk):
    """While `one_in` is not 0, one block read in so many, by lot, has a wrong byte."""

    one_in = 0
    lies = 0
    rng: random.Random

    def open(self, path: Path, *, write: bool, executable: bool = False) -> DiskFile:
        return _LyingFile(self, super().open(path, write=write, executable=executable))


class _LyingFile:
    def __init__(self, disk: LyingDisk, file: DiskFile) -> None:
        self._disk = disk
        self._file = file
        self.write = file.write
        self.allocate = file.allocate
        self.sync = file.sync
        self.close = file.close

    def read(self, views: Sequence[memoryview], offset: int) -> int:
        size = self._file.read(views, offset)
        disk = self._disk
        for view in views:
            if disk.one_in and view and disk.rng.randrange(disk.one_in) == 0:
                view[disk.rng.randrange(len(view))] ^= 0xFF
                disk.lies += 1
        return size
