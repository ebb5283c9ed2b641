"""Machines: device, precision and threads, training checkpoints, and the plan of a job."""
