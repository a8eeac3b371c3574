"""Run registry: `python -m services.registry`."""

from services.registry.settings import RegistrySettings
from services.registry.wiring import build_app
from shared.runtime.server import serve

serve(build_app, RegistrySettings())
