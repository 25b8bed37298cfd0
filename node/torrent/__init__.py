"""One swarm: the policies, and the torrent that asks them and acts."""
