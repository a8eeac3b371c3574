"""The act of the gate: one compound's morning at its only exit, an outage of Kafka in the middle of it."""
