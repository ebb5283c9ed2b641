"""Data: sources, screens and questions become samples, samples become shards, shards become packed batches."""
