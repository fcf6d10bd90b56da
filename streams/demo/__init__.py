"""The demo: everything that a first run needs, on this machine, made on the spot and gone at the end."""
