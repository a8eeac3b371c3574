"""What the doctor says of faults that are planted in what it has been told."""

import shutil
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from cli.doctor import broker, database, local, log, profile
from cli.doctor.command import _named
from cli.doctor.findings import Finding, Level, checked, fail, ok, warn, worst
from cli.errors import UserError
from cli.stack.keys import pass_keys
from cli.stack.paths import RunDir
from cli.verify.rest import groups_of
from services.checkpoint.spool import Spool, Spooled
from shared.flow.batch import Position
from shared.flow.dead_letters import Letter, dead_letter
from shared.flow.documents import Write
from shared.flow.records import Origin, Unreadable
from shared.kernel.errors import Conflict, Transient
from shared.messaging.asking import Time
from shared.messaging.letters import Kept
from shared.messaging.places import Place, Places
from shared.runtime.settings import ServiceSettings
from tests.fakes.storage import MemoryStorage

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PRODUCTION: dict[str, Any] = {
    "kafka_protocol": "SASL_SSL",
    "kafka_username": "dispatch",
    "kafka_password": SecretStr("secret"),
    "mongo": "mongodb://dispatch:secret@mongo:27017/?replicaSet=rs0&tls=true",
    "replication": 3,
    "token_key": Path("token.public.jwk"),
}


def codes(found: Sequence[Finding], level: Level = Level.FAIL) -> set[str]:
    return {finding.code for finding in found if finding.level is level}


def test_the_worst_decides() -> None:
    assert worst([]) is Level.OK
    assert worst([ok("a", ""), warn("b", "")]) is Level.WARN
    assert worst([fail("a", ""), warn("b", ""), ok("c", "")]) is Level.FAIL


@pytest.mark.parametrize("error", [Transient("kafka", "KafkaConnectionError"), TimeoutError()])
async def test_a_server_that_does_not_answer_is_a_failure(error: Exception) -> None:
    async def look() -> Sequence[Finding]:
        raise error

    (finding,) = await checked("broker", look)
    assert (finding.level, finding.code) == (Level.FAIL, "broker")


def test_a_service_elsewhere_has_a_name_and_a_url() -> None:
    assert _named("dispatch=http://dispatch:8000") == ("dispatch", "http://dispatch:8000")
    for wrong in ("dispatch", "=http://dispatch", "dispatch=dispatch:8000"):
        with pytest.raises(UserError):
            _named(wrong)


def test_a_sound_production_profile_is_well() -> None:
    found = profile.judge(ServiceSettings(**PRODUCTION))
    assert worst(found) is Level.OK
    assert len(found) == 4


def test_development_may_be_in_plain_text() -> None:
    assert worst(profile.judge(ServiceSettings(local=True))) is Level.OK


@pytest.mark.parametrize(
    ("planted", "code"),
    [
        ({"kafka_protocol": "PLAINTEXT"}, "kafka-plaintext"),
        ({"kafka_protocol": "SSL"}, "kafka-no-identity"),
        ({"kafka_password": None}, "kafka-no-identity"),
        ({"mongo": "mongodb://dispatch:secret@mongo:27017/?replicaSet=rs0"}, "mongo-plaintext"),
        ({"mongo": "mongodb+srv://dispatch:secret@mongo/?tls=false"}, "mongo-plaintext"),
        ({"mongo": "mongodb+srv://mongo/"}, "mongo-no-identity"),
        ({"replication": 1}, "replication"),
        ({"token_key": None}, "token-key"),
    ],
)
def test_a_production_profile_with_a_hole_fails(planted: dict[str, Any], code: str) -> None:
    assert codes(profile.judge(ServiceSettings(**{**PRODUCTION, **planted}))) == {code}


SOUND = {
    "auto.create.topics.enable": "false",
    "unclean.leader.election.enable": "false",
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
}


@pytest.mark.parametrize(
    ("name", "value", "code", "level"),
    [
        ("auto.create.topics.enable", "true", "auto-creation", Level.FAIL),
        ("unclean.leader.election.enable", "true", "unclean-election", Level.FAIL),
        ("broker.session.timeout.ms", "9000", "broker-session", Level.WARN),
        ("broker.heartbeat.interval.ms", "2000", "broker-session", Level.WARN),
    ],
)
def test_one_broker_set_otherwise_is_found(name: str, value: str, code: str, level: Level) -> None:
    assert worst(broker.judge_settings({"1": SOUND, "2": SOUND}, local=True)) is Level.OK
    found = broker.judge_settings({"1": SOUND, "2": {**SOUND, name: value}}, local=True)
    assert codes(found, level) == {code}
    assert worst(found) is level


def test_sessions_of_brokers_are_looked_at_locally_only() -> None:
    slow = {**SOUND, "broker.session.timeout.ms": "9000"}
    assert worst(broker.judge_settings({"1": slow}, local=False)) is Level.OK


@pytest.mark.parametrize(
    ("replicas", "in_sync", "code", "level"),
    [(3, 2, "replicas", Level.OK), (2, 2, "replicas", Level.FAIL), (3, 1, "min-in-sync", Level.FAIL),
     (3, 3, "min-in-sync", Level.WARN)],
)  # fmt: skip
def test_replicas_are_as_many_as_an_acknowledgement_needs(
    replicas: int, in_sync: int, code: str, level: Level
) -> None:
    found = broker.judge_replicas({"a": 3, "b": replicas}, {"a": 2, "b": in_sync})
    assert worst(found) is level
    assert code in codes(found, level)


def test_long_drift_is_cut() -> None:
    found = broker.judge_topics([f"t{number}: missing" for number in range(30)], 40)
    assert (len(found), worst(found), found[-1].text) == (21, Level.FAIL, "and 10 more")
    assert worst(broker.judge_topics([], 40)) is Level.OK


@pytest.mark.parametrize(
    ("told", "ahead", "level"),
    [
        (NOW + timedelta(seconds=1), 0.0, Level.OK),
        # However long an answer took: between question and answer nothing is certain.
        (NOW + timedelta(seconds=9), 0.0, Level.OK),
        (NOW + timedelta(seconds=12), 2.0, Level.WARN),
        (NOW - timedelta(seconds=2), -2.0, Level.WARN),
        (NOW + timedelta(seconds=16), 6.0, Level.FAIL),
        (NOW - timedelta(seconds=6), -6.0, Level.FAIL),
    ],
)
def test_a_clock_is_judged_by_what_is_certain(told: datetime, ahead: float, level: Level) -> None:
    time = Time(NOW, told, NOW + timedelta(seconds=10))
    assert time.ahead_s == ahead
    assert broker.judge_time("broker-clock", "the broker's", time).level is level


class Torn(MemoryStorage):
    """A database that writes what it can of a transaction."""

    def take(self, writes: Sequence[Write]) -> None:
        if len(writes) > 1:
            self.take(writes[:1])
            writes = writes[1:]
        super().take(writes)


async def test_a_database_that_commits_is_well_again_and_again() -> None:
    storage = MemoryStorage()
    for _ in range(2):
        assert (await database.judge_storage(storage)).level is Level.OK


async def test_a_database_without_transactions_is_found() -> None:
    assert (await database.judge_storage(Torn())).level is Level.FAIL
    refusing = MemoryStorage()
    refusing.failing = [Transient("mongo", "OperationFailure [20]")]
    assert (await database.judge_storage(refusing)).level is Level.FAIL


async def test_two_doctors_at_once_do_not_disturb_each_other() -> None:
    storage = MemoryStorage()
    storage.failing = [Conflict("guard-missed", "probes")]
    assert (await database.judge_storage(storage)).level is Level.OK


def places(*, end: int = 10, committed: int | None = 10, log_id: str = "log") -> Places:
    place = Place("t", 0)
    return Places(log_id, {"t": 1}, {place: (0, end)}, {} if committed is None else {place: committed})


@pytest.mark.parametrize(
    ("first", "last", "state", "code", "level"),
    [
        (places(), places(), "Stable", "lag", Level.OK),
        (places(committed=None), places(committed=4), "Stable", "lag", Level.OK),
        (places(committed=4), places(committed=4), "Stable", "group-stuck", Level.FAIL),
        (places(committed=None), places(committed=None), "Stable", "group-stuck", Level.FAIL),
        (places(committed=4), places(end=900, committed=10), "Stable", "lag", Level.WARN),
        (places(), places(), "Empty", "group-empty", Level.WARN),
        (places(committed=4), places(committed=4), "Dead", "group-empty", Level.FAIL),
    ],
)  # fmt: skip
def test_a_group_is_judged_by_whether_it_moves(
    first: Places, last: Places, state: str, code: str, level: Level
) -> None:
    (finding,) = log.judge_lag({"g": first}, {"g": last}, {"g": state}, most=100)
    assert (finding.code, finding.level) == (code, level)


def position(next_: int = 10, log_id: str = "log") -> dict[int, Position]:
    return {0: Position({"t": next_}, log_id)}


@pytest.mark.parametrize(
    ("planted", "there", "code"),
    [
        (position(), places(), ""),
        (position(), places(log_id="another"), "another-log"),
        (position(), places(end=3, committed=3), "log-shorter-than-state"),
        (position(5), places(committed=9), "offset-beyond-state"),
    ],
)
def test_state_that_was_not_made_from_this_log_is_found(
    planted: dict[int, Position], there: Places, code: str
) -> None:
    found = log.judge_positions({"g": planted}, {"g": there}, {"g": planted})
    assert codes(found) == ({code} if code else set())


def test_letters_are_counted_until_they_are_taken_up() -> None:
    def kept(code: str, *, replayed: bool = False) -> Kept:
        origin = Origin("dispatch.acks.v1", 0, 1, b"k", b"", ())
        made = dead_letter("dispatch.sheets", Unreadable(origin, code, "", NOW))
        return Kept(Letter(made.topic, 0, made.key, made.headers, 0), replayed)

    assert worst(log.judge_letters([kept("empty", replayed=True)])) is Level.OK
    (finding,) = log.judge_letters([kept("empty"), kept("empty"), kept("wrong-key")])
    assert finding.level is Level.WARN
    assert finding.text == "3 in dispatch.acks.v1.dlq.dispatch.sheets: empty 2, wrong-key 1"


def test_every_group_of_a_card_is_looked_at() -> None:
    found = groups_of()
    assert set(found["dispatch.sheets"]) == {"dispatch.desks.v1", "dispatch.acks.v1"}
    assert {group.partition(".")[0] for group in found} == {"registry", "screening", "checkpoint", "dispatch"}


@pytest.mark.parametrize("keys", ["", "{}", '{"keys": []}', '{"keys": [{"kid": "1"}]}'])
def test_pass_keys_that_cannot_sign_are_found(tmp_path: Path, keys: str) -> None:
    file = tmp_path / "pass.keys.json"
    file.write_text(keys)
    assert local.judge_pass_keys(file).level is Level.FAIL


def crossing(number: int) -> Spooled:
    return Spooled(f"c{number}", "k", 1, "d-1", "{}")


async def test_a_run_directory_is_looked_through(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    run.create()
    pass_keys(run.pass_keys)
    assert worst(local.look_at_files(run, None)) is Level.OK
    run.pass_keys.chmod(0o644)
    assert codes(local.look_at_files(run, None)) == {"key-file"}


async def test_crossings_that_nobody_sends_are_found(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.spool"
    spool = Spool(file, limit=10)
    await spool.add(crossing(1))
    await spool.add(crossing(2))
    # As a kill leaves it: what was written lies beside the file still.
    killed = tmp_path / "killed"
    killed.mkdir()
    for suffix in ("", "-wal"):
        shutil.copy(f"{file}{suffix}", killed)
    assert local.judge_spool(killed / file.name, running=False).text.startswith("2 crossings wait")
    spool.close()
    found = local.judge_spool(file, running=False)
    assert found.level is Level.WARN
    assert found.text.startswith("2 crossings wait")
    assert local.judge_spool(file, running=True).level is Level.OK
    # Looked at only: the next owner finds it as it was.
    again = Spool(file, limit=10)
    assert again.depth == 2
    again.close()


def test_a_damaged_spool_is_found(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.spool"
    file.write_bytes(b"no database at all, but long enough to be taken for one" * 100)
    assert local.judge_spool(file, running=False).level is Level.FAIL


def test_an_empty_spool_is_well(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.spool"
    with sqlite3.connect(file) as made:
        made.execute("CREATE TABLE crossings (count INTEGER)")
    made.close()
    assert local.judge_spool(file, running=False).level is Level.OK


@pytest.mark.parametrize(
    ("status", "said", "level"),
    [
        (200, {"ready": True}, Level.OK),
        (503, {"waiting_for": {"consumers": "a group has no assignment yet"}}, Level.FAIL),
        (404, [], Level.FAIL),
    ],
)
def test_a_service_that_waits_is_found(status: int, said: Any, level: Level) -> None:
    found = local.judge_readiness("dispatch", status, said)
    assert found.level is level
    assert "a group has no assignment yet" in found.text or status != 503


async def test_a_service_that_is_gone_is_found() -> None:
    (finding,) = await local.look_at_service("dispatch", "http://127.0.0.1:1")
    assert (finding.level, finding.code) == (Level.FAIL, "service")
