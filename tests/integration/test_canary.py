"""Personal data that comes in by mistake goes nowhere: not on a topic, in a log, a metric or an error.

Everything a person or a partner can say is said with canaries in it, in fields nobody asked for and in the
wrong ones. What came in straight over Kafka stands where it was put, and in its dead letter; free text (an
order's words, a reason) is its author's and travels as it is.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiokafka import ConsumerRecord

from shared.contracts import dispatch as contract
from shared.contracts import screening
from shared.contracts.catalog import TOPICS, dead_letter_topics
from shared.contracts.envelope import Message
from shared.runtime.tokens import KeyPair
from tests.harness import gates, rounds
from tests.harness.api import Api
from tests.harness.canaries import MARK, spoiled, with_canaries
from tests.harness.gates import COMPOUND, crosser, crossing, of_crossing
from tests.harness.log import SOURCE, Log, answer, header, new_id, of_answer, of_issue
from tests.harness.rounds import HOUSES, of_reading, of_visit, reading, visit
from tests.harness.services import Service
from tests.harness.store import has_rosters, stored
from tests.harness.waiting import until
from tests.harness.world import FIRST, STREET_DUTY, area, community, entries_of, member, street
from tests.servers import Servers

ISSUER, CLERK = area(FIRST), "clerk"
NOW = datetime.now(UTC).isoformat()
GATE = f"{COMPOUND}.k1"
SERVICES = ("registry", "screening", "checkpoint", "dispatch")
# Who may be asked for what, with bodies that are nearly right: what is refused early hides what comes later.
ASKED: Mapping[tuple[str, str], dict[str, Any]] = {
    ("registry", "/changes"): {"rows": [{"do": "put-household", "household": "h1", "desk": FIRST}]},
    ("screening", "/rounds"): {"issuer": STREET_DUTY, "scope": FIRST, "title": "t", "days": ["2026-01-01"]},
    ("screening", "/visits"): {
        "desk": FIRST, "household": "h1", "found": "seen", "at": NOW, "means": "door", "by": member(FIRST),
        "members": [{"person": "p-1"}],
    },
    ("screening", "/readings"): {
        "desk": FIRST, "household": "h1", "person": "p-1", "temperature": 36.5, "at": NOW, "means": "phone",
        "by": member(FIRST),
    },
    ("screening", "/visits/bulk"): {"visits": [{"desk": FIRST, "household": "h1"}]},
    ("checkpoint", f"/gates/{GATE}/decisions"): {"direction": "in", "pass": "P", "temperature": 36.5},
    ("checkpoint", f"/gates/{GATE}/opening"): {"issuer": ISSUER, "duty": ISSUER},
    ("checkpoint", "/passes"): {
        "issuer": ISSUER, "kind": "movement", "area": COMPOUND, "household": "h1", "person": "p-1",
        "until": NOW,
    },
    ("dispatch", "/directives"): {
        "issuer": ISSUER, "scope": FIRST, "text": "t", "mode": "relayed", "kind": "order",
        "dimensions": ["level"], "deadlines": {"done": 1, "step": 1}, "audience": {},
    },
    ("dispatch", "/directives/none/answers"): {
        "desk": FIRST, "version": 1, "addressee": member(FIRST), "state": "read", "by": ISSUER,
    },
}  # fmt: skip
# A text is its author's: what somebody writes there on purpose is for others to read.
FREE_TEXT = {"text", "title", "reason", "note"}
READ = {
    "registry": ("/units/{}", "/outcomes/{}", "/units?cursor={}"),
    "screening": ("/rounds/{}", "/rounds/{}/coverage?desk={}", "/rounds?cursor={}", "/outcomes/{}"),
    "checkpoint": ("/gates/{}", "/gates?area={}", "/areas/{}/presence", "/outcomes/{}"),
    "dispatch": (
        "/directives/{}",
        "/directives?issuer={}",
        "/directives?addressee={}",
        "/directives?cursor={}",
    ),
}


@pytest.fixture(scope="module")
def services(servers: Servers, folder: Path, keys: KeyPair) -> Iterator[Mapping[str, Service]]:
    del keys
    env = {"GRIDLOOP_TOKEN_KEY": str(folder / "token.public.jwk"), "GRIDLOOP_OPERATORS": CLERK}
    env |= {"GRIDLOOP_LOG_LEVEL": "DEBUG", "GRIDLOOP_GATE_DEVICES": CLERK}
    database = new_id("test")
    made = {
        name: Service(servers, folder, name=name, database=database, env=env, forked=name != "registry")
        for name in SERVICES
    }
    try:
        for each in made.values():
            each.start()
        yield made
    finally:
        for each in made.values():
            each.kill()


def leaks(where: str, text: str | bytes) -> list[str]:
    """Return where a canary is seen, with what stands around it."""
    raw = text.encode() if isinstance(text, str) else text
    at = raw.find(MARK.encode())
    return [] if at < 0 else [f"{where}: …{raw[max(at - 80, 0) : at + 60]!r}"]


def of_record(record: ConsumerRecord) -> bytes:
    headers = b" ".join(name.encode() + b"=" + (value or b"") for name, value in record.headers)
    return b" ".join((record.key or b"", record.value or b"", headers))


async def over_http(api: Api, name: str) -> list[str]:
    """Say everything with canaries to one service; return what its answers give away."""
    found: list[str] = []
    people = [api.bearer(CLERK), api.bearer("p-" + ISSUER.replace("/", "-").replace(":", "-"))]
    for (service, path), body in ASKED.items():
        if service != name:
            continue
        for number, spoilt in enumerate(spoiled(body, but=FREE_TEXT)):
            for headers in people:
                answer_ = await api.http.post(path, content=spoilt, headers=headers)
                found += leaks(f"{path} {number} {answer_.status_code}", f"{answer_.text} {answer_.headers}")
                # Whatever a client says, it is the client's fault.
                found += [f"{path} {number}: {answer_.status_code}"] if answer_.status_code >= 500 else []
        bad = {"authorization": f"Bearer {MARK}.{MARK}.{MARK}", "idempotency-key": f"{MARK}!"}
        found += leaks(f"{path} token", (await api.http.post(path, json=body, headers=bad)).text)
        keyed = people[1] | {"idempotency-key": f"{MARK}!"}
        found += leaks(f"{path} key", (await api.http.post(path, json=body, headers=keyed)).text)
    for path in READ[name]:
        asked = path.format(*[quote(f"{MARK} 张三")] * path.count("{}"))
        found += leaks(asked, (await api.http.get(asked, headers=people[1])).text)
    return found


def partners() -> list[Message]:
    """Return what a partner may append, each with personal fields that nobody asked for."""
    household = rounds.household(HOUSES[0], unit=f"{FIRST}001.b1", within=(f"{FIRST}001",))
    good = [
        household,
        rounds.open_round(new_id("round")),
        of_visit(visit(new_id("visit"), HOUSES[0])),
        of_reading(reading(HOUSES[0], 39.0, person=new_id("p"))),
        gates.of_command(gates.issuing(new_id("pass")), new_id("pass")),
        of_crossing(crossing("out", crosser(new_id("crosser")))),
        of_issue(new_id("order"), ISSUER, FIRST),
    ]
    return [
        replace(each, value=json.dumps(with_canaries(json.loads(each.value or b""))).encode())
        for each in good
    ]


def hopeless() -> list[Message]:
    """Return records that are no good, canaries in every part."""
    entry = entries_of(community(), issuer=ISSUER)[0]
    found = []
    for good in (
        of_answer(answer(new_id("order"), entry)),
        of_visit(visit(new_id("visit"), HOUSES[0])),
        of_issue(new_id("order"), ISSUER, FIRST),
    ):
        body = json.loads(good.value or b"")
        for value in spoiled(body.get("command", body)):
            marked = tuple(
                (name, new_id("bad").encode() if name == "ce_id" else value_) for name, value_ in good.headers
            )
            found.append(replace(good, value=value, headers=(*marked, ("name", MARK.encode()))))
    return found


@pytest.mark.req("T-07")
async def test_a_canary_is_never_seen_again(services: Mapping[str, Service], keys: KeyPair, log: Log) -> None:
    for each in services.values():
        await each.ready()
    rosters = [community(), street(FIRST)]
    await log.rosters(*rosters)
    await has_rosters(services["dispatch"], *rosters)
    await has_rosters(services["screening"], *rosters)
    found: list[str] = []
    for name, service in services.items():
        async with Api(service.port, keys.private) as api:
            found += await over_http(api, name)

    said, bad = partners(), hopeless()
    await log.append(*said, *bad)
    order = dict(said[-1].headers)["ce_id"].decode()
    await until(
        lambda: stored(services["dispatch"], "outcomes", order), what="the partner's order is decided"
    )
    opened = dict(said[1].headers)["ce_id"].decode()
    await until(
        lambda: stored(services["screening"], "outcomes", opened), what="the partner's round is decided"
    )
    letters = [contract.ACKS_TOPIC.dead_letters("dispatch.sheets")]
    letters.append(screening.VISITS_TOPIC.dead_letters("screening.sheets"))

    async def set_aside() -> bool:
        return all([await log.read(topic) for topic in letters])

    await until(set_aside, what="what was no good is set aside")
    # A canary can be seen: in the letters, which keep what came as it came.
    for topic in letters:
        assert any(leaks(topic, of_record(each)) for each in await log.read(topic))

    for topic in TOPICS:
        for record in await log.read(topic):
            # What the test itself put there stands there.
            if header(record, "ce_source") != SOURCE:
                found += leaks(f"{topic.name} {header(record, 'ce_type')}", of_record(record))
    for name, service in services.items():
        found += leaks(f"{name}'s log", service.log.read_bytes())
        async with Api(service.port, keys.private) as api:
            found += leaks(f"{name}'s metrics", (await api.http.get("/metrics")).content)
            found += leaks(f"{name}'s health", (await api.http.get("/readyz")).content)
    assert not found, "\n".join(found)
    assert set(letters) < set(dead_letter_topics())
