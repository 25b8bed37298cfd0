"""Finding peers through the mainline Kademlia DHT (BEP 5)."""
