from dht.contact import Contact
from dht.lookup import Step
from dht.node_id import NodeId
from formats.endpoint import Endpoint
from node.cli.dht_explanation import step_lines, step_objects

NEAR = Contact(NodeId(b"\xab" * 20), Endpoint("1.2.3.4", 6881))
FAR = Contact(NodeId(b"\xcd" * 20), Endpoint("2600::1", 51413))
STEPS = (
    Step(FAR, 160, 0.0, 0.0821, "answered", None),
    Step(NEAR, 9, 0.0825, None, "slow", FAR),
)


def test_a_table_for_people() -> None:
    assert step_lines(STEPS) == [
        "  asked  node             ID         bits  latency  result    named by",
        "0.000 s  [2600::1]:51413  cdcdcdcd…   160  82.1 ms  answered  our table",
        "0.083 s  1.2.3.4:6881     abababab…     9        -  slow      [2600::1]:51413",
    ]
    assert step_lines(()) == ["asked  node  ID  bits  latency  result  named by"]


def test_objects_for_programs() -> None:
    assert step_objects(STEPS)[1] == {
        "asked": 0.0825,
        "node": "1.2.3.4:6881",
        "id": "ab" * 20,
        "distance": 9,
        "latency": None,
        "result": "slow",
        "referrer": "[2600::1]:51413",
    }
    assert step_objects(STEPS)[0]["referrer"] is None
