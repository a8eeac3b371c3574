"""Measurements: `make bench`. Ratios of one run only; a run whose counts are not exact everywhere is void.

`dispatch` is one order to a city and back beside the same topology in plain aiokafka, `visits` a round over
every household beside dispatch's answers, `gate` a decision at a gate beside a bare handler. What they share:
`tested` starts a real service afresh, `meter` reads what it used, `batches` appends for everybody outside,
`report` sets figures side by side.
"""
