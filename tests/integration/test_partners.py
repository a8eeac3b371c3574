"""Foreign clients, with their own default partitioners, answer an order of a running dispatch.

They are the programs that docs/integrate.md shows, and are run by the commands that stand there.
"""

import httpx
import pytest
from aiokafka import ConsumerRecord

from shared.contracts import dispatch as contract
from shared.contracts.dispatch import Answer
from shared.flow.partitions import partition_of
from tests.harness import partners
from tests.harness.api import Api
from tests.harness.log import Log, header
from tests.harness.services import Service
from tests.harness.store import has_rosters
from tests.harness.world import FIRST, area, chief, community, member
from tests.servers import PARTITIONS

ADDRESSEES = {chief(FIRST), member(FIRST), member(FIRST, 2)}
HOME = partition_of(FIRST.encode(), PARTITIONS)
KINDS = ("node", "java")

pytestmark = pytest.mark.req("F-03")


async def order(dispatch: Service, api: Api, log: Log) -> str:
    """Give an order to the three posts of a community."""
    roster = community()
    await log.rosters(roster)
    await has_rosters(dispatch, roster)
    return await api.issued(area(FIRST), FIRST, mode="straight-through")


async def answers_on_the_log(log: Log, directive: str) -> list[ConsumerRecord]:
    return [
        record
        for record in await log.read(contract.ACKS_TOPIC)
        if header(record, "ce_type") == contract.ANSWER and directive.encode() in record.value
    ]


async def moved(dispatch: Service) -> int:
    """Return how many records this process has moved to their partition."""
    async with httpx.AsyncClient() as http:
        text = (await http.get(f"http://127.0.0.1:{dispatch.port}/metrics")).text
    found = [
        line for line in text.splitlines() if line.startswith('gridloop_moved_total{group="dispatch.sheets"}')
    ]
    return int(float(found[0].split()[-1])) if found else 0


@pytest.mark.parametrize("kind", KINDS)
async def test_a_partners_answers_are_counted_and_it_sees_that(
    kind: str, dispatch: Service, api: Api, log: Log
) -> None:
    partners.need(kind)
    directive = await order(dispatch, api, log)
    before = await moved(dispatch)

    said = await partners.run(kind, dispatch.servers.kafka, directive, FIRST)

    assert (said["answered"], said["counted"]) == (3, 3)
    shown = await api.when(directive, area(FIRST), total=3, executed=3, done=3, complete=True)
    assert shown["v"] >= said["v"]
    records = await answers_on_the_log(log, directive)
    assert {header(record, "ce_source") for record in records} == {f"/partner/{kind}"}
    assert {Answer.model_validate_json(record.value).addressee for record in records} == ADDRESSEES
    # Its own default partitioner is the right one: nothing had to be moved.
    assert {record.partition for record in records} == {HOME}
    assert len(records) == len(ADDRESSEES)
    assert await moved(dispatch) == before


@pytest.mark.parametrize("kind", KINDS)
async def test_what_a_partner_puts_on_a_wrong_partition_is_moved_and_counted(
    kind: str, dispatch: Service, api: Api, log: Log
) -> None:
    partners.need(kind)
    directive = await order(dispatch, api, log)
    before = await moved(dispatch)
    wrong = (HOME + 1) % PARTITIONS

    said = await partners.run(kind, dispatch.servers.kafka, directive, FIRST, str(wrong))

    assert (said["answered"], said["counted"]) == (3, 3)
    await api.when(directive, area(FIRST), total=3, executed=3, done=3, complete=True)
    strays: dict[int, dict[str, bytes]] = {wrong: {}, HOME: {}}
    for record in await answers_on_the_log(log, directive):
        strays[record.partition][header(record, "ce_id")] = record.value
    # Moved as it came: the same ids, the same bytes.
    assert strays[HOME] == strays[wrong]
    assert len(strays[wrong]) == len(ADDRESSEES)
    assert await moved(dispatch) >= before + len(ADDRESSEES)
