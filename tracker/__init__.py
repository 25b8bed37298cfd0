"""Finding peers through trackers (BEP 3): the clients, their tiers, and a tiny server."""
