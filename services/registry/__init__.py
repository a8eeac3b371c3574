"""Who answers for this household today: units, schemes, posts, holders and households.

Decides: every change of them, row by row (`domain/units, posts, attachments, households`).
In:      registry.commands.v1, bulk `Changes` of one K; its own summaries and recompiles too.
Out:     units, rosters, charges, households (compacted), findings, outcomes; a summary to the desk above.
Stores:  `desks` (one aggregate per K), `households`, and per desk what was last published: `rosters`,
         `charges`, `findings`.
"""
