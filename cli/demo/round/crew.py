"""How visits leave the visitors' hands: one by one over HTTP, a paper sheet at once, or on the topic."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from random import Random

from cli.demo.asking import AGAIN_AFTER_S, ask
from cli.demo.round.ledger import Ledger
from cli.demo.round.script import Call
from cli.demo.stage import Stage
from cli.demo.voice import SOURCE
from shared.contracts.envelope import Context, message
from shared.contracts.screening import VISIT, VISITS_TOPIC, Visit
from shared.kernel.codes import desk_of
from shared.messaging.producer import AppendUnknown

MOST_ROWS = 1_000


class Crew:
    """Everybody who visits in one round; what fails on the way is said again under the same id."""

    def __init__(self, stage: Stage, ledger: Ledger, round_: str) -> None:
        self._stage = stage
        self._ledger = ledger
        self._round = round_

    async def sweep(self, calls: Iterable[Call], *, within_s: float) -> None:
        """Have every visit made and handed over, each person's own at a moment of their own."""
        by_hand: dict[tuple[str, str], list[Call]] = defaultdict(list)
        for call in calls:
            by_hand[call.by.post, call.way].append(call)
        async with asyncio.TaskGroup() as group:
            for (post, way), its in by_hand.items():
                rng = Random(f"{self._stage.options.seed}/{post}/{way}")  # noqa: S311 - when somebody calls
                group.create_task(self._hand_over(its, after_s=rng.uniform(0, within_s)))

    async def _hand_over(self, calls: Sequence[Call], *, after_s: float) -> None:
        await asyncio.sleep(after_s)
        match calls[0].way:
            case "single":
                for call in calls:
                    await self.one(call)
            case "bulk":
                for start in range(0, len(calls), MOST_ROWS):
                    await self._sheet(calls[start : start + MOST_ROWS])
            case "topic":
                await self._onto_the_topic(calls)

    async def one(self, call: Call) -> None:
        """Hand one visit over by HTTP; `twice`: again under its id, as a phone does that got no answer."""
        id_ = self._stage.ulids.new()
        self._ledger.handed(call.home, call.found, call.seen)
        for _ in range(1 + call.twice):
            body = self._visit(call).model_dump_json(exclude={"at"}, exclude_none=True)
            if not await self._post("/visits", body, id_, call, HTTPStatus.ACCEPTED):
                return
        self._ledger.kept(call.home, call.found, call.seen)

    async def _sheet(self, calls: Sequence[Call]) -> None:
        """Hand a whole sheet over; if any row of it is `twice`, the sheet is."""
        id_ = self._stage.ulids.new()
        for call in calls:
            self._ledger.handed(call.home, call.found, call.seen)
        rows = ",".join(self._visit(call).model_dump_json(exclude_none=True) for call in calls)
        for _ in range(1 + calls[0].twice):
            if not await self._post("/visits/bulk", f'{{"visits":[{rows}]}}', id_, calls[0], HTTPStatus.OK):
                return
        for call in calls:
            self._ledger.kept(call.home, call.found, call.seen)

    async def _post(self, path: str, body: str, id_: str, call: Call, wanted: HTTPStatus) -> bool:
        headers = {**self._stage.tokens.of(call.by.holder or ""), "Idempotency-Key": id_}
        async with self._stage.lines["screening"].one() as line:
            reply = await ask(line, "POST", path, content=body, headers=headers)
        refused = reply.status_code != wanted or (wanted == HTTPStatus.OK and reply.json()["refused"])
        if refused:
            self._ledger.rejected.append(f"{call.by.post}: {reply.status_code} {reply.text[:200]}")
        return not refused

    async def _onto_the_topic(self, calls: Sequence[Call]) -> None:
        records = []
        for call in calls:
            visit, now = self._visit(call), self._stage.clock.now()
            self._ledger.handed(call.home, call.found, call.seen)
            context = Context(self._stage.ulids.new(), SOURCE, now, call.by.holder or "")
            record = message(VISITS_TOPIC, VISIT, visit.desk, visit, context)
            records += [record] * (1 + call.twice)
        while True:
            try:
                await self._stage.producer.append(records)
                break
            except AppendUnknown:
                await asyncio.sleep(AGAIN_AFTER_S)
        for call in calls:
            self._ledger.kept(call.home, call.found, call.seen)

    def _visit(self, call: Call) -> Visit:
        return Visit(
            round=self._round, desk=desk_of(call.home.unit), household=call.home.household, found=call.found,
            members=call.seen, by=call.by.post, at=self._stage.clock.now(),
        )  # fmt: skip
