"""Dispatch answers one question: has every post received, done and reported this order.

Decides directives (issue, raise, amend, cancel, close, extend) under the issuing desk's key; merges relays,
answers and ticks into one sheet per (directive, desk); rolls absolute tallies up, desk by desk, to the
issuer. An alert of another service becomes a small directive to one household's chain, answered and
escalated like any other.

In: dispatch.commands, dispatch.desks + dispatch.acks (one subscriber), dispatch.tallies, registry.rosters,
screening.alerts + checkpoint.alerts.
Out: dispatch.directives, .desks, .deliveries, .tallies, .progress, .outcomes, .commands (its own: close,
extend, raise).
Stores: directives, issuers, sheets, frozen, progress, rosters (copies), outcomes, positions.
"""
