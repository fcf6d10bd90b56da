"""Producers that are not ours: the snippets of docs/producers.md, in three languages."""
