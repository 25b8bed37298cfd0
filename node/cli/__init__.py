"""The command line: what people and scripts type, see and rely on (docs/command-line.md)."""
