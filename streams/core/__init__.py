"""The functional core: values in, values out. No Kafka, no asyncio, no clock or randomness of its own."""
