"""What this machine offers: a test that needs what is missing is skipped, or fails in CI."""

import os
import shutil
import subprocess
from functools import cache
from typing import NoReturn

import pytest

from tests.interop.network import Network


def require(program: str) -> None:
    """End the test unless `program` is installed."""
    if shutil.which(program) is None:
        _unavailable(f"{program} is not installed")


def require_namespaces() -> None:
    """End the test unless network namespaces can be made here."""
    require("ip")
    if not _namespaces_work():
        _unavailable("network namespaces cannot be made here; they need root")


@cache
def _namespaces_work() -> bool:
    try:
        with Network() as network:
            network.add_host()
    except subprocess.CalledProcessError:
        return False
    return True


def _unavailable(reason: str) -> NoReturn:
    if os.environ.get("EVERSWARM_REQUIRE_CLIENTS") == "1":
        pytest.fail(f"{reason}, and EVERSWARM_REQUIRE_CLIENTS=1 allows no skip")
    pytest.skip(reason)
