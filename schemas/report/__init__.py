"""What a schema check found, in the formats that people and CI systems read. One file each; no I/O."""
