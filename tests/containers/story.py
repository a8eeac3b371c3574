"""What is done with the running containers, and what has to be so after each step."""

import json
import random
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from shared.contracts.base import Model
from tests.builders.registry import STREET
from tests.containers import city
from tests.containers.compose import INSIDE, Call, Compose, Reply, StepError

REPLICAS: Final = {"dispatch": 3, "screening": 2}
SCALES: Final = tuple(f"{service}={number}" for service, number in REPLICAS.items())
# One group of each: all its members must be the replicas, and each must have some of its partitions.
GROUPS: Final = {"dispatch": "dispatch.sheets", "screening": "screening.sheets"}
ONE_SHOT: Final = {"keys", "pass-keys", "topics"}
SERVICES: Final = ("registry", "screening", "checkpoint", "dispatch")
WITHIN_S: Final = 90.0
LOOK_S: Final = 0.5
AT_ONCE: Final = 12
ACCEPTED: Final = {200, 201, 202}
# Whoever is killed meanwhile: nobody answered, or a gate between said so.
PASSING: Final = {0, 502, 503}
# Runs inside, where Kafka can be reached: the members of a group, each with its address and its partitions.
MEMBERS: Final = """
import asyncio, json, sys
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment as Assignment
async def ask(group):
    admin = AIOKafkaAdminClient(bootstrap_servers="kafka:9092")
    await admin.start()
    try:
        (answer,) = await admin.describe_consumer_groups([group])
        (_, _, state, _, _, members, *_) = answer.groups[0]
        held = [(host, Assignment.decode(raw).partitions()) for *_, host, _, raw in members]
        print(json.dumps([state, [[host, len(partitions)] for host, partitions in held]]))
    finally:
        await admin.close()
asyncio.run(ask(sys.argv[1]))
"""


class Story:
    """One run: everything said, and everything compared with what `city` wrote down before."""

    def __init__(self, compose: Compose, say: Callable[[str], None], seed: int) -> None:
        self._compose = compose
        self._say = say
        self._dice = random.Random(seed)
        self._tokens: dict[str, str] = {}

    def everything_is_up(self) -> None:
        """The services and servers are healthy, and what runs once has ended well."""
        for each in self._compose.containers():
            if each.service in ONE_SHOT:
                _must((each.state, each.exit_code) == ("exited", 0), f"{each.name} is {each.state}")
            else:
                _must(each.health == "healthy", f"{each.name} is {each.state}, {each.health}")
        expected = {*ONE_SHOT, *SERVICES, "kafka", "mongo"}
        _must({each.service for each in self._compose.containers()} == expected, "somebody is missing")

    def make_tokens(self) -> None:
        """Let the container that has the keys make a token for who imports, and for who holds every post."""
        self._tokens["operator"] = self._compose.once("keys").split()[-1]
        command = ("python", "-m", "cli", "token", city.OFFICER, "--keys", "/keys")
        self._tokens[city.OFFICER] = self._compose.once("keys", *command).split()[-1]

    def tell_the_street(self) -> None:
        """Tell registry the street; every row is accepted."""
        calls = [
            self._call("POST", "registry", "/changes", {"rows": _json(rows)}, person="operator")
            for rows in city.rows().values()
        ]
        for reply in self._ask(calls, decided=True):
            refused = [row for row in reply.body["results"] if not row["accepted"]]
            _must(not refused, f"registry refused {refused}")
        # It waits until nothing flows: by then everybody has heard of the street.
        self.counts_follow_from_the_log("registry")

    def order(self, *, meanwhile: Callable[[], None] | None = None) -> None:
        """Give an order to every post; answers come in three parts, and something may happen between them."""
        posts = city.posts()
        path = self._issued(len(posts))
        self._addressed_are(path, posts)
        answers = [self._answer(path, post, desk) for post, desk in posts.items()]
        self._dice.shuffle(answers)
        third = len(answers) // 3
        said: set[str] = set()
        self._answered(path, answers[:third], said)
        if meanwhile is not None:
            meanwhile()
        # Some of them once more, with other ids: who has answered has answered.
        again = [self._again(call) for call in answers[:third:2]]
        self._answered(path, [*again, *answers[third:-third]], said)
        self._answered(path, answers[-third:], said)
        self._until(lambda: self._status(path) == "closed", "the order is closed")

    def round(self) -> None:
        """Visit all households of the street but one, some of them twice, and close with one hole."""
        houses = city.houses()
        opened = {"issuer": city.DUTY, "scope": STREET, "title": "逐户排查"}
        (given,) = self._ask([self._call("POST", "screening", "/rounds", opened)], decided=True)
        round_ = given.body["round"]
        path = f"/rounds/{round_}/coverage"
        self._until(lambda: self._covered(path) == (len(houses), 0), "the round counts every household")
        *visited, _ = houses
        visits = [_visit(round_, house, houses[house].unit) for house in visited + visited[::3]]
        (told,) = self._ask([self._call("POST", "screening", "/visits/bulk", {"visits": visits})])
        _must(told.body["refused"] == 0, f"screening refused {told.body['items']}")
        self._until(lambda: self._covered(path) == (len(houses), len(visited)), "every visit is counted")
        self._ask([self._call("POST", "screening", f"/rounds/{round_}/closure", {})], decided=True)

    def replicas_share_the_work(self) -> None:
        """Each scaled service has that many healthy containers, all of them members of one group."""
        for service, number in REPLICAS.items():
            found = self._compose.containers(service)
            healthy = [each for each in found if each.health == "healthy"]
            _must(len(found) == len(healthy) == number, f"{service}: {found}")
            self._until(partial(self._shares, service), f"{service}'s replicas share a group")
            self._say(f"{GROUPS[service]}: {' + '.join(map(str, self._partitions(service)))} partitions")

    def kill(self, service: str) -> None:
        """Kill one container of a service; the others go on."""
        victim = self._compose.containers(service)[0]
        self._compose.kill(victim)
        self._say(f"killed {victim.name}")

    def end_from_inside(self, service: str) -> None:
        """End one container's process: it drains, and Docker starts it again."""
        victim = self._compose.containers(service)[0]
        self._compose.end_from_inside(victim)
        self._until(lambda: self._compose.restarts(victim) == 1, f"{victim.name} is started again")
        self._until(lambda: self._compose.health(victim) == "healthy", f"{victim.name} is healthy again")
        self._say(f"ended {victim.name} from inside; it was started again")

    def counts_follow_from_the_log(self, *services: str) -> None:
        """`gridloop verify` waits for rest, adds the log up apart from the services, and finds all equal."""
        told = self._compose.once("topics", "python", "-m", "cli", "verify")
        for line in told.splitlines():
            if " places compared" in line:
                self._say(line)
        for service in services:
            _must(f"{service}: 0 places" not in told, f"{service} had nothing to compare")

    def the_doctor_is_content(self) -> None:
        """`gridloop doctor` finds nothing amiss, with the allowances of a development machine."""
        urls = [word for each in SERVICES for word in ("--service", f"{each}=http://{each}:8000")]
        self._compose.once("topics", "python", "-m", "cli", "doctor", *urls, env=["GRIDLOOP_LOCAL=true"])

    def everybody_stops_by_themselves(self) -> None:
        """Asked to stop, each service drains within its time: nobody has to be killed."""
        self._compose("stop")
        ends = {each.name: each.exit_code for each in self._compose.containers()}
        _must(not set(ends.values()) - {0, 143}, f"not all ended by themselves: {ends}")

    def _issued(self, addressed: int) -> str:
        """Give the order, and return its path once everybody is told."""
        order = {
            "issuer": city.DUTY, "scope": STREET, "text": "逐户排查", "mode": "straight-through",
            "deadlines": {"done": 3600, "step": 1800},
        }  # fmt: skip
        (given,) = self._ask([self._call("POST", "dispatch", "/directives", order)], decided=True)
        path = f"/directives/{given.body['directive']}"
        self._until(lambda: self._counts(path) == (addressed, 0), f"{addressed} posts are told")
        return path

    def _addressed_are(self, path: str, posts: Mapping[str, str]) -> None:
        pages = [
            self._call("GET", "dispatch", f"{path}/entries?desk={desk}&limit=200") for desk in city.DESKS
        ]
        found = {row["addressee"] for reply in self._ask(pages) for row in reply.body["items"]}
        _must(found == posts.keys(), f"addressed are {sorted(found ^ posts.keys())} too many or too few")

    def _answered(self, path: str, answers: Sequence[Call], said: set[str]) -> None:
        """Send answers, a few at a time; no count is ever above what was said, and in the end it is exact."""
        posts = len(city.posts())
        for start in range(0, len(answers), AT_ONCE):
            part = answers[start : start + AT_ONCE]
            said.update(call.body["addressee"] for call in part)
            self._ask(part)
            total, counted = self._counts(path)
            _must(
                total == posts and counted <= len(said), f"{counted} of {total}, when {len(said)} had spoken"
            )
        self._until(lambda: self._counts(path) == (posts, len(said)), f"{len(said)} of {posts} are counted")
        self._say(f"{len(said)} of {posts} answers counted")

    def _answer(self, path: str, post: str, desk: str) -> Call:
        body = {"desk": desk, "version": 1, "addressee": post, "state": "executed"}
        return self._call("POST", "dispatch", f"{path}/answers", body)

    def _again(self, call: Call) -> Call:
        return self._call(call.method, call.service, call.path, call.body)

    def _status(self, path: str) -> str:
        (shown,) = self._compose.ask([self._call("GET", "dispatch", path)])
        return str(shown.body.get("status"))

    def _counts(self, path: str) -> tuple[int, int]:
        shown = self._compose.ask([self._call("GET", "dispatch", f"{path}/progress")])[0]
        total = shown.body.get("total", {}) if shown.status == 200 else {}
        return total.get("total", 0), total.get("done", 0)

    def _covered(self, path: str) -> tuple[int, int]:
        shown = self._compose.ask([self._call("GET", "screening", path)])[0]
        total = shown.body.get("total", {}) if shown.status == 200 else {}
        return total.get("households", 0), total.get("covered", 0)

    def _shares(self, service: str) -> bool:
        """Whether the members of the group are the replicas: as many addresses, and each has work."""
        held = self._held(service)
        hosts = {host for host, partitions in held if partitions}
        return len(held) == len(hosts) == REPLICAS[service]

    def _partitions(self, service: str) -> list[int]:
        return sorted(number for _, number in self._held(service))

    def _held(self, service: str) -> list[tuple[str, int]]:
        told = self._compose("exec", "--no-TTY", INSIDE, "python", "-c", MEMBERS, GROUPS[service])
        state, members = json.loads(told)
        return [(host, number) for host, number in members] if state == "Stable" else []

    def _ask(self, calls: Sequence[Call], *, decided: bool = False) -> list[Reply]:
        """Make calls until each is accepted (and `decided`): with the same key it is the same command."""
        passing = PASSING | {202} if decided else PASSING
        replies = self._compose.ask(calls)
        deadline = time.monotonic() + WITHIN_S
        while left := [n for n, reply in enumerate(replies) if reply.status in passing]:
            _must(time.monotonic() < deadline, f"nobody answers {calls[left[0]].path}")
            for number, reply in zip(left, self._compose.ask([calls[n] for n in left]), strict=True):
                replies[number] = reply
        for call, reply in zip(calls, replies, strict=True):
            _must(reply.status in ACCEPTED, f"{call.method} {call.path}: {reply.status} {reply.body}")
        return replies

    def _call(
        self, method: str, service: str, path: str, body: Any = None, *, person: str = city.OFFICER
    ) -> Call:
        return Call(method, service, path, self._tokens[person], str(uuid.uuid4()), body)

    def _until(self, look: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + WITHIN_S
        while not look():
            _must(time.monotonic() < deadline, f"not within {WITHIN_S:.0f} s: {what}")
            time.sleep(LOOK_S)


def _must(holds: object, otherwise: str) -> None:
    if not holds:
        raise StepError(otherwise)


def _json(rows: Collection[Model]) -> list[Any]:
    return [row.model_dump(mode="json", exclude_none=True) for row in rows]


def _visit(round_: str, house: str, unit: str) -> dict[str, Any]:
    by = f"{unit[:15]}/cw5:grid-member"
    return {
        "round": round_, "desk": unit[:12], "household": house, "found": "vacant", "by": by,
        "at": datetime.now(UTC).isoformat(),
    }  # fmt: skip
