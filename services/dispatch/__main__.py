"""Run dispatch: `python -m services.dispatch`."""

from services.dispatch.settings import DispatchSettings
from services.dispatch.wiring import build_app
from shared.runtime.server import serve

serve(build_app, DispatchSettings())
