"""Real text and pictures that a fresh machine can get without a model hub."""
