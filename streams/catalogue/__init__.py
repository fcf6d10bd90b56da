"""What readers are told of events and topics, made from schemas, templates, producers and the table of topics."""
