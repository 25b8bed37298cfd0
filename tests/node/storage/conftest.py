from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    """Two threads, as a node has."""
    with ThreadPoolExecutor(2) as pool:
        yield pool
