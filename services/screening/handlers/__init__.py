"""Each use case: load, rule, derive; no ordering of effects."""
