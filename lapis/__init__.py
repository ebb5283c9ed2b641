"""Lapis: an open recipe for a compact multimodal model that reads screens and thinks on a budget."""

__version__ = "0.1.0"
