"""Which check holds which invariant of the reliability reference, by simulation.

Each check is the name under which `require` states it; a planted fault proves that it can fail where one
names it in `found_by`. I6, I8 to I11 are not a matter of schedules: other tests hold them.
"""

from collections.abc import Mapping

INVARIANTS: Mapping[str, tuple[str, Mapping[str, tuple[str, ...]]]] = {
    "I1": (
        "no acknowledged record is lost",
        {
            "dispatch": (
                "no answer is lost",
                "a record on the wrong partition is moved",
                "dead letters are exactly the bad records",
                "each command has its outcome",
                "waiting answers are kept",
                "uncounted answers are listed",
            ),
            "rounds": ("no visit is lost", "what is early waits", "what does not count is listed"),
            "gate": ("what was answered is not lost", "every crossing is merged"),
        },
    ),
    "I2": (
        "no effect twice",
        {
            "dispatch": ("each record is applied once", "one outcome a command", "silence climbs once a due"),
            "rounds": ("one outcome a command", "frozen once", "each fever has its alert"),
            "gate": ("each record is applied once", "every crossing counts once", "no alert without a cause"),
        },
    ),
    "I3": (
        "versions only rise, and the last is the highest",
        {
            "dispatch": (
                "a position never goes back",
                "one version, one content",
                "a version never goes back",
                "the newest order is held",
            ),
            "rounds": ("one version, one content", "a denominator never changes"),
            "gate": ("the order of a key is kept",),
        },
    ),
    "I4": (
        "every sum is what its leaves say, and never above the truth",
        {
            "dispatch": (
                "each entry is what its answers say",
                "a tally is the count of its sheet",
                "progress is the sum of the newest tallies",
                "what goes up is what was added",
                "progress equals brute force",
                "no count above the truth",
                "no count falls",
                "nothing is shown without the own tally",
                "all reported only if it is so",
                "complete only once a close was accepted",
            ),
            "rounds": ("no count above the truth", "coverage equals brute force", "no count falls"),
            "gate": ("every crossing counts once", "presence equals brute force"),
        },
    ),
    "I5": (
        "an order reaches everybody it is for, nobody else, and who is open is exactly listed",
        {
            "dispatch": (
                "the audience is exact",
                "a desk whose roster is known is not passed over",
                "told once the superior has passed it on",
                "a desk hears once its commander has passed it on",
                "only the audience is told",
                "what is told is what was ordered",
                "everybody addressed is told, and nobody else",
                "every desk owed the order has it",
                "who came to owe an order has it",
                "nobody above the issuer is asked",
                "no vacant post is asked",
            ),
            "rounds": ("a round and its close reach every desk", "every open door has its name"),
        },
    ),
    "I7": (
        "after the faults everything is worked off",
        {
            "dispatch": ("everything comes to rest", "every loop closes", "the close reaches every desk"),
            "rounds": ("everything comes to rest",),
            "gate": ("everything comes to rest",),
        },
    ),
    "I12": (
        "the documents are what the log says, folded again",
        {
            "dispatch": (
                "each entry is what its answers say",
                "the first time of each state is kept",
                "the first reason of each state is kept",
                "a due time moves by its ticks alone",
                "the right desks are owed",
                "a sheet is found by what it says",
                "the outcome told is the one stored",
            ),
            "rounds": ("coverage equals brute force", "every person not covered has a name"),
            "gate": ("presence equals brute force", "every crossing counts once"),
        },
    ),
}
