"""Recipes: one file each, with `recipe()` and, for the one that the tests walk, `smoke()`."""
