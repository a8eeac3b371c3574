"""Dispatch's use cases, one module a consumer group: load, rule, derive, mark. `shared.flow` orders them."""
