"""The demonstration: one street of a real city, three acts played on it, an independent count beside each.

`world` makes the street, `load` tells it to registry, `stage` is what every act stands on, `actors` are who
hears of an order by its delivery, `alerts` what a rule raised. An act is a package: `act` plays it, `ledger`
is the count that owes nothing to the services, `watch` observes, `summary` compares, `view` shows.
"""
