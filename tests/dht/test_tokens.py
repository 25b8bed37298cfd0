"""Write tokens: whom they serve, and for how long."""

import random

import pytest

from dht.tokens import ROTATION_SECONDS, TOKEN_SIZE, Tokens

HOST, SENDER, TARGET = b"\x01\x02\x03\x04", b"s" * 20, b"t" * 20


@pytest.fixture
def tokens() -> Tokens:
    return Tokens(random.Random(1), 1000.0)


def test_d4_a_token_serves_who_asked_for_what_it_asked(tokens: Tokens) -> None:
    token = tokens.issue(HOST, SENDER, TARGET, 1000.0)
    assert len(token) == TOKEN_SIZE
    assert tokens.accepts(token, HOST, SENDER, TARGET, now=1001.0)
    assert not tokens.accepts(token, b"\x01\x02\x03\x05", SENDER, TARGET, now=1001.0)
    assert not tokens.accepts(token, HOST, b"x" * 20, TARGET, now=1001.0)
    assert not tokens.accepts(token, HOST, SENDER, b"x" * 20, now=1001.0)


@pytest.mark.parametrize("forged", [b"", b"\0", bytes(TOKEN_SIZE), bytes(64)])
def test_d4_a_forged_token_is_refused(tokens: Tokens, forged: bytes) -> None:
    assert not tokens.accepts(forged, HOST, SENDER, TARGET, now=1000.0)
    token = tokens.issue(HOST, SENDER, TARGET, 1000.0)
    assert not tokens.accepts(token[:-1], HOST, SENDER, TARGET, now=1000.0)
    assert not tokens.accepts(token + b"\0", HOST, SENDER, TARGET, now=1000.0)


@pytest.mark.parametrize("issued_at", [1000.0, 1150.0, 1299.9, 1300.0, 1449.0])
@pytest.mark.parametrize("asked_every", [1.0, 7.0, 299.0, 400.0, 5000.0])
def test_d4_a_token_lives_for_five_to_ten_minutes(issued_at: float, asked_every: float) -> None:
    tokens = Tokens(random.Random(1), 1000.0)
    token = tokens.issue(HOST, SENDER, TARGET, issued_at)
    now = issued_at
    while now < issued_at + 1500:
        age = now - issued_at
        accepted = tokens.accepts(token, HOST, SENDER, TARGET, now=now)
        assert accepted or age >= ROTATION_SECONDS, age
        assert not accepted or age <= 2 * ROTATION_SECONDS, age
        now += asked_every


def test_d4_another_node_has_other_secrets() -> None:
    token = Tokens(random.Random(1), 0.0).issue(HOST, SENDER, TARGET, 0.0)
    assert not Tokens(random.Random(2), 0.0).accepts(token, HOST, SENDER, TARGET, now=0.0)
