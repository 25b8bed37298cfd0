from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker import query
from tracker.errors import TrackerFailure


@given(st.binary(max_size=40))
def test_quote_and_unquote_are_inverse(value: bytes) -> None:
    text = query.quote(value).encode()
    assert query.unquote(text) == value
    assert query.unquote(text.lower()) == value.lower() or b"%" in text
    assert unquote_to_bytes(text) == value


@given(st.text(alphabet="%0aAfF+ ", max_size=12).map(str.encode))
def test_what_unquote_accepts_it_reads_as_the_standard_library_does(text: bytes) -> None:
    try:
        value = query.unquote(text)
    except TrackerFailure:
        return
    assert value == unquote_to_bytes(text)


@pytest.mark.parametrize("text", [b"%", b"a%", b"%1", b"%zz", b"%%41", b"%4", b"ab%-1", b"% 1"])
def test_k3_a_percent_sign_without_two_digits_is_refused(text: bytes) -> None:
    with pytest.raises(TrackerFailure, match="bad percent-encoding"):
        query.unquote(text)


def test_a_plus_is_a_plus() -> None:
    assert query.unquote(b"a+b%2B") == b"a+b+"


@pytest.mark.parametrize(
    "text", [b"", b"-1", b"+1", b"1_0", b" 1", b"1e3", b"9223372036854775808", b"18446744073709551616",
             b"0" * 21, b"\xc2\xb2"],
)  # fmt: skip
def test_k3_a_counter_is_plain_digits_below_2_to_the_63(text: bytes) -> None:
    with pytest.raises(TrackerFailure, match="bad left"):
        query.counter(text, "left", 0)


def test_counters() -> None:
    assert query.counter(None, "left", 7) == 7
    assert query.counter(b"9223372036854775807", "left", 0) == 2**63 - 1
    assert query.counter(b"0012", "left", 0) == 12


def test_fields_keep_strange_pairs_harmless() -> None:
    assert query.fields(b"a=1&b&=x&c=2=3&a=4") == {b"a": b"4", b"b": b"", b"": b"x", b"c": b"2=3"}
