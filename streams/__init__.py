"""The shell: what runs. Start reading at `streams.topology`, then `streams.app`."""
