"""Who gives the order in the Celery arm: one chord with a header task for every answer."""

import sys

from celery import chord

from bench.dispatch.world import build
from bench.rivals.chord_tasks import answer, app, count
from bench.rivals.talk import ANSWER, DELIVERED, ORDER, READY, stay, tell, told
from shared.contracts.dispatch import Answer


def main(url: str, posts: str, directive: str, seed: str) -> None:
    """Send when told to, and stay: an orderly exit would print a traceback for every result."""
    app.conf.broker_url = app.conf.result_backend = url
    world = build(int(posts))
    bodies: dict[str, str] = {}
    for message in world.answers(directive, int(seed)):
        body = (message.value or b"").decode()
        bodies.setdefault(Answer.model_validate_json(body).addressee, body)
    tell(READY)
    told(ORDER)
    chord([answer.s(body) for body in bodies.values()])(count.s())
    tell(DELIVERED)
    told(ANSWER)
    stay()


if __name__ == "__main__":
    main(*sys.argv[1:])
