"""Serving: the torch engine, its sampler and the thinking budget."""
