"""What a household's chain must hear: raised by a rule, routed by dispatch as a small directive."""

from datetime import timedelta
from typing import Annotated

from pydantic import StringConstraints

from shared.contracts.base import Code, Handle, Instant, MessageId, Model, PostId, Text
from shared.contracts.topics import Topic, message_type

RuleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,40}$")]


class Alert(Model):
    """Something at one household that somebody must answer for.

    Its id is derived from its cause, so the same cause is one alert however often it is seen. `charge` is the
    household's main charge post as the raising service knows it, `version` the date of the rule's version.
    """

    alert: MessageId
    rule: RuleName
    version: str
    desk: Code
    unit: Code
    household: MessageId
    charge: PostId | None = None
    subject: Handle | None = None
    text: Text
    at: Instant


def alerts_topic(service: str) -> Topic:
    """Return the card of a service's alerts."""
    return Topic(
        name=f"{service}.alerts.v1", key="K", kind="facts", models={message_type(service, "alert"): Alert},
        producers=(service,), groups=("dispatch.alerts",), retention=timedelta(days=90),
        routing=lambda body: body.desk,
    )  # fmt: skip
