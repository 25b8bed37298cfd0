"""Values and codecs that two or more packages share: bytes in, typed values out, no state."""
