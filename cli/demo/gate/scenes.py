"""What happens at a gate beside the daily coming and going, played before, during and after the outage."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cli.demo.gate.crowd import Crowd
from cli.demo.gate.ledger import Asked, Person
from cli.demo.gate.morning import Resident, forged
from cli.demo.play import until_told

# Somebody on the way from the office to the gate may be killed and has to come back.
KNOWN_WITHIN_S = 60.0


@dataclass(frozen=True)
class Scenes:
    """Everybody with a story of their own; none of them is in the stream."""

    crowd: Crowd

    def resident(self, number: int) -> Resident:
        """Return the one at the back door, with a home pass."""
        return self.crowd.compound.other(number, "home")

    async def doubts(self) -> None:
        """Come with a forged pass, to the closed gate, with an address, with nothing, without a driver."""
        await self._forged()
        await self._at_the_closed_gate()
        await self._address_only()
        await self._ask("out", Person(temperature=36.5), "no-pass")
        await self._no_driver()

    async def _forged(self) -> None:
        whose = self.resident(0)
        text = forged(self.crowd.showing(whose).text or "")
        await self._ask("out", Person(text=text, temperature=36.4), "pass-invalid")
        # At their own address they are not sent away by a rule: people look at it.
        answer = await self._ask("in", Person(text=text, household=whose.home.household), "pass-invalid")
        self._must(answer.get("verdict") == "refer", "a forged pass at one's own address was not referred")

    async def _at_the_closed_gate(self) -> None:
        compound = self.crowd.compound
        shown = self.crowd.showing(self.resident(0), 36.6)
        answer = await self._ask("in", shown, "gate-closed", gate=compound.closed)
        self._must(answer.get("open_gate") == compound.exit, "the closed gate did not name the open one")

    async def _address_only(self) -> None:
        whose = self.resident(1)
        answer = await self._ask("in", Person(household=whose.home.household), "claimed-address")
        named = {self.crowd.compound.duty.post, whose.home.charges["main"]}
        self._must(set(answer.get("refer_to", ())) == named, "an address was not referred to its people")

    async def _no_driver(self) -> None:
        people = (self.crowd.showing(self.resident(0), 36.7),)
        asked = Asked(self.crowd.compound.exit, "in", people, vehicle=True, driver=False)
        answer = await self.crowd.ask(asked, "home")
        self._must("no-driver" in answer.get("incomplete", ()), "a car without a driver was called complete")

    async def emergency(self, seconds: float) -> None:
        """Leave by the open back gate; a copy of the same pass shows up at the exit a moment later."""
        office, closed = self.crowd.office, self.crowd.compound.closed
        whose = self.crowd.showing(self.resident(2), 36.8)
        until = await office.open_for_emergency(seconds)

        async def is_open() -> bool:
            nonlocal until
            answer = await self._ask("out", whose, "emergency", "gate-closed", gate=closed)
            if answer.get("code") != "emergency" and self._is_past(until):
                # Nobody could be asked while it stood open.
                until = await office.open_for_emergency(seconds)
            return answer.get("code") == "emergency"

        self._must(await until_told(is_open, seconds=KNOWN_WITHIN_S), "the gate does not open")
        await self._ask("out", whose, "seen-elsewhere")

    async def emergency_over(self) -> None:
        """Come back to the gate that has closed by itself, and go round to the exit."""
        whose = self.crowd.showing(self.resident(2), 36.8)
        await self._ask("in", whose, "gate-closed", gate=self.crowd.compound.closed)
        await self._ask("in", whose, "home")

    async def revocation(self, number: int) -> None:
        """Go out and in, lose the pass, and be stopped with it as soon as the gate has heard."""
        whose = self.crowd.compound.other(number, "movement")
        shown = self.crowd.showing(whose, 36.5)
        await self._ask("out", shown, "movement")
        await self._ask("in", shown, "movement")
        await self.crowd.office.revoke(shown.pass_id or "")

        async def is_stopped() -> bool:
            answer = await self._ask("out", shown, "revoked", "movement")
            if answer.get("verdict") == "allow":
                await self._ask("in", shown, "revoked", "movement")
            return answer.get("code") == "revoked"

        self._must(await until_told(is_stopped, seconds=KNOWN_WITHIN_S), "a revoked pass is still good")
        # A resident is never refused their own home by a rule (S4-15).
        answer = await self._ask("in", shown, "revoked")
        self._must(answer.get("verdict") == "refer", "a resident with a revoked pass was not referred")

    async def leave(self, whose: Resident, until: datetime, window: timedelta) -> None:
        """Go out before `until`; who could not be asked in time does so with another pass for a window."""
        answer = await self._ask("out", self.crowd.showing(whose, 36.5), "movement", "expired")
        while answer.get("code") == "expired" and self._is_past(until):
            until = await self.crowd.office.issue(whose, window)
            # The gate need not have heard of this one yet.
            wanted = ("movement", "signature-only", "expired")
            answer = await self._ask("out", self.crowd.showing(whose, 36.5), *wanted)
        self._must(answer.get("code") != "expired", "a pass was called expired before its time")

    async def come_late(self, whose: Resident) -> None:
        await self._ask("in", self.crowd.showing(whose, 36.5), "late-return")

    async def _ask(
        self, direction: str, person: Person, *codes: str, gate: str | None = None
    ) -> dict[str, Any]:
        at = gate or self.crowd.compound.exit
        return await self.crowd.ask(Asked(at, "in" if direction == "in" else "out", (person,)), *codes)

    def _is_past(self, instant: datetime) -> bool:
        return self.crowd.stage.clock.now() >= instant

    def _must(self, holds: object, otherwise: str) -> None:
        if not holds:
            self.crowd.ledger.surprises.append(f"{self.crowd.phase}: {otherwise}")
