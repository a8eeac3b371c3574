"""Run checkpoint: `python -m services.checkpoint`."""

from services.checkpoint.settings import CheckpointSettings
from services.checkpoint.wiring import build_app
from shared.runtime.server import serve

serve(build_app, CheckpointSettings())
