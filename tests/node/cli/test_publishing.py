from pathlib import Path

import pytest

from formats.create import Created, TorrentSpec, create
from node.cli.exit_status import Failed
from node.cli.publishing import directory_in_place


async def made(*paths: Path, name: str | None = None) -> Created:
    return await create(TorrentSpec(paths=paths, name=name))


async def test_a_folder_and_a_file_lie_in_their_parent(folder: Path, tmp_path: Path) -> None:
    assert directory_in_place(await made(folder)) == tmp_path
    assert directory_in_place(await made(folder / "cover.jpg")) == folder


async def test_relative_paths(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for path in (Path(), Path("../album"), Path("disc 1/..")):
        assert directory_in_place(await made(path)) == tmp_path
    assert directory_in_place(await made(Path("cover.jpg"))) == folder


async def test_several_paths_in_a_folder_of_the_torrents_name(folder: Path, tmp_path: Path) -> None:
    created = await made(folder / "cover.jpg", folder / "disc 1", name="album")
    assert directory_in_place(created) == tmp_path


async def test_another_name_has_no_place(folder: Path) -> None:
    with pytest.raises(Failed, match="cannot be seeded where it lies, as other/"):
        directory_in_place(await made(folder, name="other"))


async def test_t2_a_link_inside_has_no_place(folder: Path) -> None:
    (folder / "copy.jpg").symlink_to("cover.jpg")
    with pytest.raises(Failed, match=r"copy\.jpg is a link, and what is seeded in place must not"):
        directory_in_place(await made(folder))


async def test_t2_a_folder_that_is_a_link_has_no_place(folder: Path, tmp_path: Path) -> None:
    (folder / "more").symlink_to("disc 1")
    with pytest.raises(Failed, match="/album/more is a link, "):
        directory_in_place(await made(folder))
