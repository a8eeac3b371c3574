"""`python -m tests.containers`: every step in order; exit code 1 at the first that is not as it has to be."""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from cli.stack.paths import ROOT
from tests.containers.compose import Compose, StepError, docker
from tests.containers.story import SCALES, Story

PROJECT = "gridloop-check"
FAILURES = (StepError, subprocess.TimeoutExpired)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, and leave nothing behind, however it ends."""
    options = _options(arguments)
    compose = Compose(PROJECT, [ROOT / "docker-compose.yml", *options.file])
    began = time.monotonic()

    def say(text: str) -> None:
        sys.stdout.write(f"{time.monotonic() - began:6.1f} s  {text}\n")
        sys.stdout.flush()

    try:
        say(f"Docker {docker('version', '--format', '{{.Server.Version}}').strip()}")
    except FAILURES as failure:
        # The last line is Docker's own sentence.
        sys.stderr.write(f"failed: no Docker daemon answers: {str(failure).splitlines()[-1]}\n")
        return 1
    try:
        _play(compose, Story(compose, say, options.seed), say)
    except FAILURES as failure:
        sys.stderr.write(f"failed: {failure}\n{_kept(compose)}\n")
        return 1
    finally:
        _take_down(compose)
    say("all of it was as it has to be")
    return 0


def _play(compose: Compose, story: Story, say: Callable[[str], None]) -> None:
    say(compose("version").strip())
    compose("build")
    say("the image is built")
    compose.up()
    story.everything_is_up()
    say("everything is healthy")
    story.make_tokens()
    story.tell_the_street()
    story.order()
    story.round()
    say("one process each: an order is closed, a round is counted")
    compose.up(*SCALES)
    story.replicas_share_the_work()
    say(f"scaled to {', '.join(SCALES)}: each is healthy and has partitions")
    story.order(meanwhile=lambda: story.kill("dispatch"))
    story.round()
    compose.up(*SCALES)
    story.replicas_share_the_work()
    say("one killed while answers came in, and back again")
    story.end_from_inside("screening")
    for server in ("kafka", "mongo"):
        story.kill(server)
    compose.up(*SCALES)
    story.order()
    story.round()
    say("both servers killed and started again on their volumes")
    story.counts_follow_from_the_log("registry", "screening", "dispatch")
    story.the_doctor_is_content()
    story.everybody_stops_by_themselves()
    compose("down", "--volumes")
    left = compose.left()
    if left:
        raise StepError(f"taken down, and still there: {left}")
    say("taken down; nothing of it is left")


def _kept(compose: Compose) -> str:
    """Keep what the containers said, and say where; a daemon that has gone must not hide why."""
    folder = Path(tempfile.mkdtemp(prefix="gridloop-containers-"))
    try:
        for name, command in (("states", ("ps", "--all")), ("logs", ("logs", "--no-color"))):
            (folder / f"{name}.txt").write_text(compose(*command), encoding="utf-8")
    except FAILURES as failure:
        return f"what the containers said could not be kept: {failure}"
    return f"what the containers said is in {folder}"


def _take_down(compose: Compose) -> None:
    try:
        # Unless it was taken down already.
        if compose.left():
            compose("down", "--volumes", "--timeout", "20")
    except FAILURES as failure:
        sys.stderr.write(f"what is left of project {compose.project} could not be taken down: {failure}\n")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.containers", description=__doc__)
    parser.add_argument(
        "--file", type=Path, action="append", default=[], help="one more compose file, as for the build"
    )
    parser.add_argument("--seed", type=int, default=7, help="the order in which answers come in")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
