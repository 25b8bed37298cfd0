"""A missing program skips a test here, and fails it where all programs must be there."""

import pytest

from tests.interop.availability import require

MISSING = "no-such-client"


def test_a_missing_program_skips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVERSWARM_REQUIRE_CLIENTS", raising=False)
    with pytest.raises(pytest.skip.Exception, match=f"{MISSING} is not installed"):
        require(MISSING)


def test_a_missing_program_fails_where_clients_are_required(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EVERSWARM_REQUIRE_CLIENTS", "1")
    with pytest.raises(pytest.fail.Exception, match=f"{MISSING} is not installed"):
        require(MISSING)


def test_a_program_that_is_there_is_no_reason_to_end() -> None:
    require("sh")
