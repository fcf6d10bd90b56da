"""The outside world, behind the ports of `streams.core.ports`: Kafka, key sets, mail, telemetry."""
