"""The order loop under the simulation: dispatch's own groups and ticker.

`world` is a small city whose rosters come late and change under way; `actors` issue, amend and cancel, answer
late, twice, too early or never, and decide for others. `truth` bounds what may be shown from what was
appended. `oracle` folds every applied record into sheets by name (`ladder` has one entry) and `summing` adds
up tallies; `checks` and `comparing` hold each commit and each published record against them, `final` the
quiet system. `mutants`, `rules`, `counting` and `amending` are the planted faults.
"""
