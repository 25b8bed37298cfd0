"""One conversation with one peer: a sans-IO protocol and its connection."""
