"""Reasoning synthesis: problems gathered and rewritten, answered many times by a model, and what is right of it kept"""
