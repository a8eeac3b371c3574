"""`gridloop doctor`: what can be known to be wrong with a running system, one line a check.

`findings` is what a check says; `profile`, `broker`, `log`, `database` and `local` are the checks, each with
its judgement apart from the asking; `command` runs them. Nothing is repaired; no service's data is written.
"""
