"""`gridloop rebuild SERVICE`: the state of a service again, from outcomes and facts, in another database.

Nothing is decided again: an outcome carries the events of what was accepted, and the deciders only apply
them. Facts are merged by the service's own handlers. Nothing is frozen again either: audiences and
denominators are taken as they were published, for the copies they were made from have changed since. Nothing
is published, and the database the service lives in is only read.
"""
