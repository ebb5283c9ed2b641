"""Trained models in the file formats of stock engines."""
