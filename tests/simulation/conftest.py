"""What all simulations share as tests."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Mutants break rules on purpose, and flow logs each record that does."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
