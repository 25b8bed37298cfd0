"""A short run of every fuzz target; `make fuzz` runs a million of each."""

import pytest

from fuzz.__main__ import load, names, run


@pytest.mark.parametrize("name", names())
def test_only_declared_errors_escape(name: str) -> None:
    assert run(load(name), runs=3_000, seed=20) > 0
