"""The command line: `comcenter`."""
