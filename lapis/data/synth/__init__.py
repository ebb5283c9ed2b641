"""Samples that are made rather than found: questions with exact answers, and long documents with a hidden fact."""
