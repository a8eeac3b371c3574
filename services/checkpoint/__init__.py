"""Checkpoint answers one question: may this person pass this gate now.

Decides gates (one open exit an area, emergencies that end by themselves, teams) and passes under the
community's key; answers at a gate from a projection in memory; merges crossings into who is in and who is
out, and into each gate's day.

In: checkpoint.commands, checkpoint.crossings, registry.rosters, .households, .units; for the projection
also its own checkpoint.gates and .passes.
Out: checkpoint.gates, .passes, .crossings, .alerts, .outcomes, .commands (what ends by itself),
screening.readings.
Stores: desks (their gates), passes, presence, gate_days, rosters, households and units (copies), outcomes,
positions; in a file of its own, crossings that Kafka does not have yet.
"""
