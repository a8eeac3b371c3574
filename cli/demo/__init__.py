"""The demonstration: one street of a real city, one order down its chain and back, and a count beside it.

`world` makes the street, `load` tells it to registry, `actors` are the people, `watch` observes, `ledger` is
the count that owes nothing to the services, `summary` compares. `street` is the one act there is so far.
"""
