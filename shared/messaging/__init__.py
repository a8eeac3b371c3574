"""Kafka: reading records without trusting them, consuming in batches, appending, and keeping topics.

The only package that imports FastStream and a Kafka client.
"""
