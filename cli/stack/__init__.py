"""Kafka, MongoDB and the services as processes of this machine, without Docker.

`detached` (`up`, `down`, `status`) and `local` (`LocalStack`) are the interface; `supervisor` is the one
process that owns the rest. It imports neither a Kafka nor a MongoDB client: it starts what the plan names and
restarts what ends. Whoever calls `up` waits for health.
"""
