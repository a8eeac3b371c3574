"""Injected faults on real servers, under load: `make faults`; a few short rows of it in `make test`.

`rows` is the table of faults, each a small class of `fault.Fault`. `stage` has the servers and the processes
they are done to. `loops` says what flows (orders and answers, rounds and visits), `load` gives it at a fixed
rate and keeps the independent count, `watch` reads what the service shows of it meanwhile, `verdict` reads
the whole log afterwards. `run` does one row, `report` writes what came of all.
"""
