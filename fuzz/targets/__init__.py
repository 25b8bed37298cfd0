"""One module a parser: `SEEDS` (valid inputs) and `execute(data)`, which lets only bugs escape."""
