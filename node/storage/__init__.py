"""One torrent on disk."""
