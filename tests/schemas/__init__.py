"""The schema check: verdicts, files, formats, and its use in CI."""
