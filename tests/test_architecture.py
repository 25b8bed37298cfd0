"""Imports point down: a module imports from its own package and from lower floors only."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS: dict[str, int] = {
    "formats": 0,
    "dht": 1,
    "pex": 1,
    "tracker": 1,
    "node.peer": 2,
    "node.storage": 2,
    "node.torrent": 3,
    "node": 4,
    "node.everseed": 4,
    "node.api": 5,
    "node.cli": 5,
    "simulation": 6,
}
"""Package -> floor. The longest matching prefix counts."""
EXCEPTIONS = {
    ("node.__main__", "node.cli"),  # the entry point starts the command line
}
LIBRARY_FLOOR_LIMITS = {
    "bencodepy": {"formats.bencode"},  # the one place that names it
    "kademlia": {"dht.kademlia_package"},  # and here its faults are mended
    "asyncio_dgram": {"dht", "tracker"},
    "aiohttp": {"tracker", "node"},
    "httptools": {"tracker"},
    "sqlite3": {"node.storage"},
    "typer": {"node.cli", "node.__main__"},
    "rich": {"node.cli"},
    "uvloop": {"node.cli", "node.__main__"},
}
"""Library -> the only modules or packages that may import it."""


def product_files() -> list[Path]:
    tops = sorted({package.split(".")[0] for package in FLOORS})
    return [file for top in tops for file in sorted((ROOT / top).rglob("*.py"))]


def module_name(file: Path) -> str:
    parts = list(file.relative_to(ROOT).with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts)


def package_of(module: str) -> str | None:
    """The longest package of FLOORS that holds `module`."""
    held = [p for p in FLOORS if module == p or module.startswith(p + ".")]
    return max(held, key=len) if held else None


def imports_of(file: Path) -> list[tuple[str, int]]:
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: relative import"
            assert node.module is not None
            for alias in node.names:  # `from node.peer import messages` imports a module
                inner = ROOT / Path(*f"{node.module}.{alias.name}".split("."))
                is_module = inner.with_suffix(".py").exists() or inner.is_dir()
                name = f"{node.module}.{alias.name}" if is_module else node.module
                found.append((name, node.lineno))
    return found


def breach(importer: str, imported: str) -> str | None:
    """Why `importer` may not import `imported`, or None."""
    here, there = package_of(importer), package_of(imported)
    if here is None or there is None or here == there:
        return None
    if any(importer == a and imported.startswith(b) for a, b in EXCEPTIONS):
        return None
    if FLOORS[there] < FLOORS[here]:
        return None
    if there == "simulation" and here == "node.cli":
        return None  # lazily: `everswarm drill`
    return f"{importer} (floor {FLOORS[here]}) imports {imported} (floor {FLOORS[there]})"


@pytest.mark.parametrize("file", product_files(), ids=module_name)
def test_imports_point_down(file: Path) -> None:
    importer = module_name(file)
    breaches = [
        f"{file.name}:{line}: {reason}"
        for imported, line in imports_of(file)
        if (reason := breach(importer, imported))
    ]
    assert breaches == []


@pytest.mark.parametrize("file", product_files(), ids=module_name)
def test_a_library_is_named_only_where_it_has_its_job(file: Path) -> None:
    importer = module_name(file)
    if importer.startswith("simulation"):
        return
    wrong = [
        f"{file.name}:{line}: {imported}"
        for imported, line in imports_of(file)
        if (allowed := LIBRARY_FLOOR_LIMITS.get(imported.split(".")[0]))
        and not any(importer == a or importer.startswith(a + ".") for a in allowed)
    ]
    assert wrong == []


def test_a_breach_is_seen() -> None:
    assert breach("formats.bencode", "node.peer.messages")
    assert breach("node.peer.protocol", "node.storage.layout")
    assert breach("tracker.swarm", "dht.krpc")
    assert breach("node.node", "simulation.event_loop")
    assert breach("node.torrent.torrent", "node.peer.protocol") is None
    assert breach("node.cli.drill", "simulation.drill") is None


def test_every_module_has_its_test() -> None:
    """`tests/` mirrors the tree: a module with behaviour has a test file of its name."""
    values_only = {"errors", "options", "status", "config", "__init__", "__main__"}
    missing = [
        module_name(file)
        for file in product_files()
        if file.stem not in values_only
        and not (ROOT / "tests" / file.relative_to(ROOT).parent / f"test_{file.stem}.py").exists()
    ]
    assert missing == []
