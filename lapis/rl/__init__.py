"""Reinforcement learning with verifiable rewards (GRPO)."""
