import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.safe_path import (
    MAX_NAMESAKES,
    PathError,
    PathRegistry,
    is_safe_element,
    safe_element,
)


@pytest.mark.parametrize(
    ("hostile", "safe"),
    [
        ("", "_"),
        (".", "_"),
        ("..", "__"),
        ("...", "___"),
        ("../../etc/passwd", ".._.._etc_passwd"),
        ("/etc/passwd", "_etc_passwd"),
        ("C:", "C_"),
        ("C:\\Windows", "C__Windows"),
        ("\\\\server\\share", "__server_share"),
        ("file.txt:stream", "file.txt_stream"),
        ("nul\0byte", "nul_byte"),
        ("line\nfeed\x1b[31m\x7f\x85", "line_feed_[31m__"),
        ("gpj.\u202eexe", "gpj.exe"),
        (".\u202e.", "__"),
        ("\u2066", "_"),
        ("trailing. .", "trailing___"),
        (" ", "_"),
        ("CON", "_CON"),
        ("nul.tar.gz", "_nul.tar.gz"),
        ("com1 .txt", "_com1 .txt"),
        ("LPT³", "_LPT³"),
        ("conin$", "_conin$"),
        ("half \ud800 pair", "half _ pair"),
    ],
)
def test_t1_hostile_elements_become_safe(hostile: str, safe: str) -> None:
    assert safe_element(hostile) == safe
    assert is_safe_element(safe)
    assert not is_safe_element(hostile)


@pytest.mark.parametrize(
    "name",
    [
        "a",
        ".bashrc",
        "con1",
        "COM",
        "console.log",
        "What?.mp3",
        "名前.txt",
        "a b",
        "É.e\u0301",
        "..a",
    ],
)
def test_ordinary_names_stay(name: str) -> None:
    assert safe_element(name) == name


def test_t3_long_element_keeps_its_extension_and_differs_from_its_neighbours() -> None:
    first, second = safe_element("x" * 300 + "1.tar"), safe_element("x" * 300 + "2.tar")
    assert first != second
    assert first.endswith(".tar")
    assert first.startswith("x" * 200)
    assert len(first.encode()) == 255


def test_t3_element_is_cut_between_characters() -> None:
    shortened = safe_element("語" * 100 + ".txt")
    assert shortened.endswith(".txt")
    assert shortened.rpartition("~")[0] == "語" * 80  # 240 bytes of 242
    assert len(safe_element("." + "y" * 400).encode()) == 255  # a long ending is no extension


@given(st.text(max_size=400))
def test_t1_every_safe_element_is_safe(text: str) -> None:
    safe = safe_element(text)
    assert safe_element(safe) == safe
    assert 0 < len(safe.encode()) <= 255
    assert safe.strip(".") and not safe.endswith((".", " "))
    assert not set(safe) & set("/\\:\0\n\x1b\u202e")


def test_t4_names_that_differ_by_case_or_normalisation_are_numbered() -> None:
    registry = PathRegistry([])
    assert registry.claim(("Readme.txt",)) == ("Readme.txt",)
    assert registry.claim(("README.TXT",)) == ("README.1.TXT",)
    assert registry.claim(("Readme.txt",)) == ("Readme.2.txt",)
    assert registry.claim((unicodedata.normalize("NFC", "é"),)) == ("é",)
    assert registry.claim((unicodedata.normalize("NFD", "É"),)) == ("E\u0301.1",)
    assert registry.claim((".bashrc",)) == (".bashrc",)
    assert registry.claim((".bashrc",)) == (".bashrc.1",)


def test_t4_numbered_name_does_not_take_a_taken_one() -> None:
    registry = PathRegistry([])
    claimed = [registry.claim((name,)) for name in ("a", "a.1", "a", "a")]
    assert claimed == [("a",), ("a.1",), ("a.2",), ("a.3",)]


def test_t4_file_does_not_take_the_name_of_a_directory() -> None:
    registry = PathRegistry([("dir", "sub")])
    assert registry.claim(("DIR",)) == ("DIR.1",)
    assert registry.claim(("dir", "sub")) == ("dir", "sub.1")
    assert registry.claim(("dir", "sub", "dir")) == ("dir", "sub", "dir")


def test_t4_numbered_name_stays_within_the_limit() -> None:
    registry = PathRegistry([])
    longest = "y" * 250 + ".text"
    registry.claim((longest,))
    assert registry.claim((longest,)) == ("y" * 248 + ".1.text",)


def test_t4_more_than_500_namesakes_are_refused() -> None:
    registry = PathRegistry([])
    for _ in range(MAX_NAMESAKES):
        registry.claim(("same",))
    with pytest.raises(PathError, match="more than 500 files want to be named 'same'"):
        registry.claim(("same",))


def test_t3_depth_and_length_of_a_path_are_bounded() -> None:
    PathRegistry([("d",) * 100])
    with pytest.raises(PathError, match="101 directories deep, 100 allowed"):
        PathRegistry([("d",) * 101])
    PathRegistry([("d" * 255,) * 15])
    with pytest.raises(PathError, match="longer than 4096 bytes"):
        PathRegistry([("d" * 255,) * 16])
