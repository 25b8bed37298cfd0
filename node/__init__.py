"""The BitTorrent node: peers, storage, torrents, and the faces people use."""
