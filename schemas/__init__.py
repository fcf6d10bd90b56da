"""Versioned JSON Schemas of events and internal records, and the registry that compiles them."""
