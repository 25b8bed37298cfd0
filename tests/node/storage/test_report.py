from node.storage.layout import Layout
from node.storage.open_files import FileStatus
from node.storage.report import FileReport, FileState, file_reports
from tests.node.storage.torrents import content, torrent


def status(size, **kinds):
    return FileStatus(size, 0, 1, **kinds)


def test_every_state_of_a_file():
    files = {"whole": content(32), "bad": content(32), "long": content(16), "gone": content(16)}
    files |= {"empty": b"", "no": b"", "d/dir": content(3)}
    layout = Layout(torrent(files)[0])
    statuses = dict(
        enumerate(
            [status(32), status(32), status(20), None, status(0), None, status(3, is_regular=False)]
        )
    )
    assert file_reports(layout, statuses, 0b1010111) == [
        FileReport("T/whole", 32, 32, FileState.WHOLE),
        FileReport("T/bad", 32, 16, FileState.DAMAGED),
        FileReport("T/long", 16, 16 if 0b1010111 >> 4 & 1 else 0, FileState.WRONG_SIZE),
        FileReport("T/gone", 16, 0, FileState.MISSING),
        FileReport("T/empty", 0, 0, FileState.WHOLE),
        FileReport("T/no", 0, 0, FileState.MISSING),
        FileReport("T/d/dir", 3, 3, FileState.MISSING),
    ]
