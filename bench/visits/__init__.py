"""A round over every household, visit by visit, beside dispatch's answers on the same servers.

`town` is the city with its households, `outsider` gives the round, visits and checks every desk, `sample`
takes the figures of one round, `run` runs an order and a round in turn.
"""
