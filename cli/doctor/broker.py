"""The broker: its settings (design §7), its topics against their cards, its replicas, its clock."""

from collections.abc import Mapping, Sequence

from cli.doctor.findings import Finding, fail, ok, warn
from cli.doctor.profile import LEAST_REPLICAS
from shared.contracts.catalog import BY_NAME
from shared.kernel.clock import Clock
from shared.messaging.admin import TopicAdmin, wanted
from shared.messaging.asking import Time, broker_time
from shared.runtime.settings import ServiceSettings
from shared.service.process import security_of

LEAST_IN_SYNC = 2
# What a token's times may differ by is refused beyond this, and deadlines are counted in it.
TOLERATED_S = 1.0
REFUSED_S = 5.0
MOST_SESSION_MS = 2_000
MOST_HEARTBEAT_MS = 500
SHOWN = 20


async def look(settings: ServiceSettings) -> list[Finding]:
    """Look at settings, topics and replicas."""
    async with TopicAdmin(settings.kafka, security_of(settings)) as admin:
        found = judge_settings(await admin.broker_settings(), local=settings.local)
        drift = [*await admin.drift(wanted(settings.partitions)), *await admin.undeclared()]
        found += judge_topics(drift, len(wanted(settings.partitions)))
        if not settings.local:
            replicas = {name: count for name, count in (await admin.replicas()).items() if name in BY_NAME}
            in_sync = await admin.settings_of(sorted(replicas))
            found += judge_replicas(
                replicas, {name: int(in_sync[name]["min.insync.replicas"]) for name in replicas}
            )
    return found


async def look_at_clock(settings: ServiceSettings, clock: Clock) -> list[Finding]:
    """Compare the broker's clock, the only one that rules know, with this host's."""
    return [
        judge_time(
            "broker-clock", "the broker's", await broker_time(settings.kafka, clock, security_of(settings))
        )
    ]


def judge_settings(brokers: Mapping[str, Mapping[str, str]], *, local: bool) -> list[Finding]:
    """Judge what every broker has set."""
    found = [
        *_each(brokers, "auto-creation", "auto.create.topics.enable", "false"),
        *_each(brokers, "unclean-election", "unclean.leader.election.enable", "false"),
    ]
    if local:
        found += _at_most(brokers, "broker.session.timeout.ms", MOST_SESSION_MS)
        found += _at_most(brokers, "broker.heartbeat.interval.ms", MOST_HEARTBEAT_MS)
    return found


def judge_topics(drift: Sequence[str], count: int) -> list[Finding]:
    """Judge what differs from the cards."""
    if not drift:
        return [ok("topic-drift", f"{count} topics are as declared")]
    more = [f"and {len(drift) - SHOWN} more"] if len(drift) > SHOWN else []
    return [fail("topic-drift", line) for line in [*drift[:SHOWN], *more]]


def judge_replicas(replicas: Mapping[str, int], in_sync: Mapping[str, int]) -> list[Finding]:
    """Judge what an acknowledgement by all replicas is worth, and whether one may be away."""
    found = []
    few = sorted(name for name, count in replicas.items() if count < LEAST_REPLICAS)
    weak = sorted(name for name, least in in_sync.items() if least < LEAST_IN_SYNC)
    rigid = sorted(name for name, least in in_sync.items() if 1 < replicas[name] <= least)
    if few:
        found.append(fail("replicas", f"fewer than {LEAST_REPLICAS}: {_named(few)}"))
    if weak:
        found.append(fail("min-in-sync", f"one broker alone may acknowledge: {_named(weak)}"))
    if rigid:
        found.append(warn("min-in-sync", f"one broker away stops every append: {_named(rigid)}"))
    return found or [ok("replicas", f"{len(replicas)} topics outlive the loss of a broker")]


def judge_time(code: str, whose: str, time: Time) -> Finding:
    """Judge another clock by what is certain about it."""
    difference = abs(time.ahead_s)
    text = f"{whose} clock is {difference:.3f} s {'ahead of' if time.ahead_s > 0 else 'behind'} this host's"
    if difference > REFUSED_S:
        return fail(code, text)
    if difference > TOLERATED_S:
        return warn(code, text)
    return ok(code, f"{whose} clock and this host's differ by less than {TOLERATED_S:.0f} s")


def _each(brokers: Mapping[str, Mapping[str, str]], code: str, name: str, value: str) -> list[Finding]:
    wrong = sorted(node for node, settings in brokers.items() if settings.get(name) != value)
    if wrong:
        return [fail(code, f"{name} is {brokers[wrong[0]].get(name)} at broker {_named(wrong)}, not {value}")]
    return [ok(code, f"{name} is {value}")]


def _at_most(brokers: Mapping[str, Mapping[str, str]], name: str, most: int) -> list[Finding]:
    wrong = sorted(node for node, settings in brokers.items() if int(settings.get(name, most)) > most)
    if wrong:
        # Nothing is lost by it: after a kill the broker's port stays closed for that long.
        return [warn("broker-session", f"{name} is {brokers[wrong[0]][name]}, more than {most}")]
    return [ok("broker-session", f"{name} is at most {most}")]


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")  # noqa: PLR2004 - enough to know which
