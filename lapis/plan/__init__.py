"""The plan of a job on machines that are not here: one rank of it run without numbers, and a clock for what it did."""
