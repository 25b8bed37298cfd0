import pytest

from node.cli.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain name.txt", "plain name.txt"),
        ("日本 の歌\u3000(1)", "日本 の歌\u3000(1)"),
        ("naïve 👍", "naïve 👍"),
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("two\nlines\r", r"two\nlines\r"),
        ("\x07\x9b31m", r"\x07\x9b31m"),
        ("cod\u202egpj.exe", r"cod\u202egpj.exe"),
        ("line\u2028end", r"line\u2028end"),
        ("bad\udcff", r"bad\udcff"),
        ("[red]markup[/red]", "[red]markup[/red]"),
    ],
)
def test_t10_what_a_terminal_could_obey_is_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown
