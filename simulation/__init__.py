"""A swarm on virtual time: the event loop, the network and the disk, simulated."""
