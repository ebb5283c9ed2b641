"""The trainer: one loop for every stage; stages differ by their config."""
