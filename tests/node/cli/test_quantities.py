import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.cli.quantities import (
    QuantityError,
    format_count,
    format_duration,
    format_rate,
    format_size,
    parse_piece_length,
    parse_rate,
)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("750000", 750_000),
        ("500K", 500_000),
        ("500k", 500_000),
        ("500KB", 500_000),
        ("2M", 2_000_000),
        ("2.5 MB/s", 2_500_000),
        ("10MiB", 10_485_760),
        ("1GiB/s", 1 << 30),
    ],
)
def test_rates(text: str, rate: int) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text", ["", "fast", "5X", "-1", "1e6", "1_000", "K", "٣K", "10MiBs", "nan"]
)
def test_what_is_no_rate_is_refused_with_examples(text: str) -> None:
    with pytest.raises(QuantityError) as refusal:
        parse_rate(text)
    assert str(refusal.value) == (
        f"{text!r} is not a rate; write bytes a second, such as 500K, 2M or 10MiB"
    )


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(QuantityError, match="for no limit, leave it out"):
        parse_rate("0")


@pytest.mark.parametrize(
    ("text", "length"), [("262144", 262144), ("256K", 262144), ("4M", 4 << 20), ("4MiB", 4 << 20)]
)
def test_piece_lengths_are_binary(text: str, length: int) -> None:
    assert parse_piece_length(text) == length


@given(st.text(max_size=20))
def test_any_text_is_a_rate_or_refused(text: str) -> None:
    try:
        assert parse_rate(text) >= 1
    except QuantityError:
        pass


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (1024**2 - 1, "1.0 MiB"),
        (5 * 1024**3, "5.0 GiB"),
        (2**63, "8.0 EiB"),
    ],
)
def test_sizes(size: int, shown: str) -> None:
    assert format_size(size) == shown
    assert format_rate(size) == shown + "/s"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "-"),
        (0.4, "0 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7800, "2 h 10 min"),
        (273600, "3 d 4 h"),
        (1e12, "-"),
        (float("inf"), "-"),
    ],
)
def test_durations(seconds: float | None, shown: str) -> None:
    assert format_duration(seconds) == shown


def test_counts_agree_with_their_noun() -> None:
    assert [format_count(n, "peer") for n in (0, 1, 2000)] == ["0 peers", "1 peer", "2,000 peers"]
