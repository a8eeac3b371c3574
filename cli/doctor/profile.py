"""Is the profile one that may be used? Development is on loopback; production has TLS and identities."""

from urllib.parse import parse_qs, urlsplit

from cli.doctor.findings import Finding, fail, ok
from shared.runtime.settings import ServiceSettings

LEAST_REPLICAS = 3
_YES = {"true", "1", "yes"}


def judge(settings: ServiceSettings) -> list[Finding]:
    """Judge the settings a command was given: those of the services, as the deployment has them."""
    if settings.local:
        return [ok("profile", "development: plain text and one replica are taken as they are")]
    return [_kafka(settings), *_mongo(settings.mongo), _replication(settings), _token_key(settings)]


def _kafka(settings: ServiceSettings) -> Finding:
    if settings.kafka_protocol == "PLAINTEXT":
        return fail("kafka-plaintext", "Kafka without TLS and without an identity")
    if settings.kafka_protocol != "SASL_SSL" or not (settings.kafka_username and settings.kafka_password):
        return fail("kafka-no-identity", "Kafka over TLS, but nobody has to say who they are")
    return ok("kafka-security", "Kafka over TLS with SCRAM")


def _mongo(uri: str) -> list[Finding]:
    parts = urlsplit(uri)
    options = {name.lower(): values[-1].lower() for name, values in parse_qs(parts.query).items()}
    default = "true" if parts.scheme == "mongodb+srv" else "false"
    encrypted = options.get("tls", options.get("ssl", default)) in _YES
    known = bool(parts.username) or options.get("authmechanism") == "mongodb-x509"
    found = []
    if not encrypted:
        found.append(fail("mongo-plaintext", "MongoDB without TLS"))
    if not known:
        found.append(fail("mongo-no-identity", "MongoDB without a user"))
    return found or [ok("mongo-security", "MongoDB over TLS with a user")]


def _replication(settings: ServiceSettings) -> Finding:
    if settings.replication < LEAST_REPLICAS:
        return fail("replication", f"new topics get {settings.replication} replicas, not {LEAST_REPLICAS}")
    return ok("replication", f"new topics get {settings.replication} replicas")


def _token_key(settings: ServiceSettings) -> Finding:
    if settings.token_key is None:
        return fail("token-key", "no key verifies bearer tokens: every request is refused")
    return ok("token-key", "bearer tokens are verified")
