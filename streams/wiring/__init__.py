"""Parts of the composition root, by theme. Like `streams.app` they decide nothing."""
