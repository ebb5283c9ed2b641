"""The data engine: from a recipe's sources to samples, partition by partition"""
