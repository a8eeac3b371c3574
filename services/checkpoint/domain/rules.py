"""How long a pass, an emergency and a doubt may last: dated configuration, for no source says (M-06)."""

from datetime import timedelta
from typing import Annotated, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.contracts.checkpoint import PassKind

Seconds = Annotated[float, Field(gt=0, le=366 * 86_400)]
KINDS: tuple[PassKind, ...] = get_args(PassKind)


class GateRules(BaseModel):
    """One version of `schemes/gate.yaml`; every length is in seconds.

    `windows`: the longest window a pass of each kind may have. `emergency`: the longest a gate may stand open
    beside the one exit. `replay`: the time within which nobody can be at two gates. `stale_after`: how old
    the gate's data may be for a pass of each kind to be believed that the data does not know. `skew`: how
    far a device's clock may be off without being told so.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    windows: dict[PassKind, Seconds]
    emergency: Seconds
    replay: Seconds
    stale_after: dict[PassKind, Seconds]
    skew: Seconds

    @model_validator(mode="after")
    def _names_every_kind(self) -> Self:
        for name, by_kind in (("windows", self.windows), ("stale_after", self.stale_after)):
            missing = set(KINDS) - by_kind.keys()
            if missing:
                raise ValueError(f"{name}: nothing is said of {', '.join(sorted(missing))}")
        return self

    def longest_window(self, kind: PassKind) -> timedelta:
        return timedelta(seconds=self.windows[kind])

    @property
    def longest_emergency(self) -> timedelta:
        return timedelta(seconds=self.emergency)

    @property
    def replay_ms(self) -> int:
        return int(self.replay * 1000)
