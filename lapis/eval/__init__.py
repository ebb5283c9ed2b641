"""Held-out measurement: tasks as values, one harness, one grounding reader, intervals, goals."""
