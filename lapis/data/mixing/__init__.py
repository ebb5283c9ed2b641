"""Which mixture of kinds to train on: sampled mixtures, regression on held-out losses, the best one with error bars"""
