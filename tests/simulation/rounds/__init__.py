"""A round under the simulation: screening's own groups and ticker on the log, store and replicas beside it.

`world` is a street with its households and what registry says of them, late and in any order; `actors` open
and close rounds and knock at doors; `truth` bounds what may be shown from what was appended, `oracle` counts
again what was applied, `checks` and `final` compare.
"""
