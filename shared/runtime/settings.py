"""Settings every service shares, read once from the environment (`GRIDLOOP_*`) and never changed."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Port = Annotated[int, Field(ge=0, le=65_535)]


class ServiceSettings(BaseSettings):
    """The base of each service's settings; a service gives its `service` name and its own fields."""

    model_config = SettingsConfigDict(env_prefix="GRIDLOOP_", frozen=True, extra="ignore")

    service: ClassVar[str] = "gridloop"

    kafka: str = Field(default="127.0.0.1:9092", description="Kafka bootstrap servers, comma-separated.")
    kafka_protocol: Literal["PLAINTEXT", "SSL", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="Transport to Kafka; plain text is for loopback in development."
    )
    kafka_username: str | None = Field(default=None, description="SCRAM user, with SASL_SSL.")
    kafka_password: SecretStr | None = Field(default=None, description="SCRAM password, with SASL_SSL.")
    kafka_ca: Path | None = Field(default=None, description="Certificates that Kafka's own must chain to.")
    partitions: int = Field(default=12, ge=1, description="Partitions of a keyed work topic; never changed.")
    replication: int = Field(default=1, ge=1, description="Replicas of each partition; 3 in production.")

    # A URI may hold a password: it stays out of every printed form of the settings.
    mongo: str = Field(
        default="mongodb://127.0.0.1:27017", repr=False, description="URI of the MongoDB replica set."
    )
    mongo_driver: Literal["motor", "pymongo"] = Field(
        default="motor", description="Client library: motor, or PyMongo's own asynchronous client."
    )
    database: str = Field(
        default="gridloop",
        pattern=r"^[a-z][a-z0-9_-]{0,30}$",
        description="Prefix of database names; a service uses <database>_<service>.",
    )

    http_host: str = Field(default="127.0.0.1", description="Address the HTTP server listens on.")
    http_port: Port = Field(default=8000, description="Port of the HTTP server; 0 takes a free one.")
    body_limit: int = Field(default=262_144, ge=1, description="Largest request body in bytes.")
    token_key: Path | None = Field(
        default=None, description="File with the public key (JWK) that verifies bearer tokens."
    )

    instance: str | None = Field(
        default=None, description="Static group membership id, unique per process; unset: dynamic membership."
    )
    source: str = Field(
        default="/city/6108",
        pattern=r"^/city/[0-9]{2,6}$",
        description="Prefix of the CloudEvents source; the service's name is appended.",
    )
    city_zone: str = Field(default="Asia/Shanghai", description="Time zone whose calendar day is a day.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least severe line that is logged."
    )
    local: bool = Field(default=False, description="Development profile: loopback, no TLS, no replicas.")
    crash_at: str = Field(default="", description="Name of the crash point at which a test process dies.")

    @field_validator("city_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (LookupError, OSError, ValueError) as error:
            message = f"no time zone is called {name!r}"
            raise ValueError(message) from error
        return name

    @model_validator(mode="after")
    def _crashes_only_in_tests(self) -> Self:
        # A crash point left in a production environment would kill every replica in turn.
        if self.crash_at and not self.local:
            message = "crash_at is for the development profile only"
            raise ValueError(message)
        return self

    @property
    def database_name(self) -> str:
        return f"{self.database}_{self.service}"

    @property
    def ce_source(self) -> str:
        return f"{self.source}/{self.service}"

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.city_zone)
