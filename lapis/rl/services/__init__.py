"""Reward services: rewards as Ray Serve deployments, found by an identifier, with as many replicas as the load wants"""
