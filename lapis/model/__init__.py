"""The network: vision tower, adapter, decoder, and how they are read, begun, cut and tiled for."""
