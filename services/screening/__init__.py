"""Screening answers one question: has every household, person and day been covered.

Decides rounds and criteria under the key of their scope's desk; freezes, at every desk a round reaches,
which households it must cover; merges visits and readings into one sheet per (round, desk, care unit);
rolls absolute coverage up, desk by desk; raises an alert where a temperature reaches the fever rule.

In: screening.commands, screening.desks + .visits + .readings (one subscriber), screening.tallies,
    registry.rosters, .households, .charges.
Out: screening.rounds, .desks, .tallies, .progress, .alerts, .outcomes.
Stores: rounds, scopes, heads, denominators, sheets, desks, progress, outcomes, positions; copies of
    rosters, households and charges.
"""
