"""Typed settings, producers, and what later rooms configure."""
