"""Benchmarks: our agents beside a plain loop that does the same work, on one broker, alternating in one run."""
