"""Measurements: `make bench`. Ratios of one run only; a run whose counts are not exact everywhere is void.

`world` is the city, `outsider` plays everybody in it and checks every unit, `arms` are what is compared
(the real dispatch service, and `raw`: the same topology in plain aiokafka), `sample` takes the figures of
one run, `report` sets them side by side.
"""
