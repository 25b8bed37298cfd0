"""`everswarm` and `python -m node`."""

import sys


def main() -> None:
    """Run the command line and leave with its exit code."""
    from node.cli.application import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
