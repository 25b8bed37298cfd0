"""How neighbours tell neighbours: peer exchange (BEP 11) and local discovery (BEP 14)."""
