"""A deterministic simulation: the project's own flow and handlers, nothing else real, under one seed.

`scheduler` drives every coroutine by a seed, `log` and `storage` stand for Kafka and MongoDB, `replicas` run
the flows and lose partitions, memory and time. Here is the dispatch loop: `world`, `actors` and `ticker` are
the people and the clock, `truth` and `oracle` recount by brute force, `checks` compares. `rounds` has
screening, `gate` checkpoint with its spool, both on the same ground. A seed is a bug report: it replays
exactly.
"""
