import ast
import subprocess
import sys
from pathlib import Path

import pytest

import dht.kademlia_package as package


def stub() -> dict[str, ast.ClassDef]:
    tree = ast.parse(Path(package.__file__).with_suffix(".pyi").read_text())
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


@pytest.mark.parametrize("name", package.__all__)
def test_the_stub_describes_methods_that_the_package_has_with_as_many_parameters(name):
    declared = [node for node in stub()[name].body if isinstance(node, ast.FunctionDef)]
    assert declared
    for method in declared:
        code = getattr(package.__dict__[name], method.name).__code__
        arguments = method.args
        assert code.co_argcount == len(arguments.posonlyargs) + len(arguments.args), method.name


def test_importing_it_brings_no_networking():
    program = (
        "import sys, dht.routing_table, dht.lookup;"
        "print([m for m in ('rpcudp', 'umsgpack', 'kademlia.network') if m in sys.modules])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "[]"
