"""How the whole fleet is, on one screen: read from Kafka alone, so that it can be told when nobody works."""
