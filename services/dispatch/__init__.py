"""Dispatch answers one question: has every post received, done and reported this order.

Decides directives (issue, cancel, close, extend) under the issuing desk's key; merges relays, answers and
ticks into one sheet per (directive, desk); rolls absolute tallies up, desk by desk, to the issuer.

In: dispatch.commands, dispatch.desks + dispatch.acks (one subscriber), dispatch.tallies, registry.rosters.
Out: dispatch.directives, .desks, .deliveries, .tallies, .progress, .outcomes, .commands (its own closes).
Stores: directives, issuers, sheets, frozen, progress, rosters (copies), outcomes, positions.
"""
