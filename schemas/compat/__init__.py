"""Whether one version of a schema reads what another wrote: proved, refuted by an instance, or neither. No I/O."""
