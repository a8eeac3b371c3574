"""A deterministic simulation of the dispatch loop: the project's own flow and handlers, nothing else real.

`scheduler` drives every coroutine by a seed, `log` and `storage` stand for Kafka and MongoDB, `replicas` run
the flows and lose partitions, memory and time; `world`, `actors` and `ticker` are the people and the clock;
`truth` and `oracle` recount by brute force; `checks` compares. A seed is a bug report: it replays exactly.
"""
