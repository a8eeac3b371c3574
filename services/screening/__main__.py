"""Run screening: `python -m services.screening`."""

from services.screening.settings import ScreeningSettings
from services.screening.wiring import build_app
from shared.runtime.server import serve

serve(build_app, ScreeningSettings())
