"""Deterministic simulations: the project's own flow and handlers, nothing else real, under one seed.

`scheduler` drives every coroutine by a seed, `log` and `storage` stand for Kafka and MongoDB, `replicas` run
the flows and lose partitions, memory and time, `ticking` runs a service's ticker, `watching` checks what must
hold of every service; `frame` puts them together.
`dispatch` has the order loop, `rounds` screening, `gate` checkpoint with its spool. Each brings its people,
an oracle that recounts by brute force, the checks that compare, and the faults that are planted to prove that
the checks can fail; `planted` has those of the flow, `invariants` says which check holds what. A seed is a
bug report: it replays exactly. `python -m tests.simulation` runs a range of seeds, or shows the trace of one.
"""
