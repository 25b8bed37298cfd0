from inspect import signature

from node.cli import content_options
from node.cli.create import create
from node.cli.publish import publish


def test_publish_takes_every_option_of_create_that_says_what_a_torrent_holds() -> None:
    offered = [value for name, value in vars(content_options).items() if name[0].isupper()]
    taken = [parameter.annotation for parameter in signature(publish).parameters.values()]
    wanted = [
        (name, parameter.annotation)
        for name, parameter in signature(create).parameters.items()
        if parameter.annotation in offered
    ]
    assert len(wanted) >= 12
    assert [name for name, option in wanted if option not in taken] == []
