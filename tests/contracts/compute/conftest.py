"""Ledger and serving contract, as each test finds them: set up, and without any user."""

import pytest

from tests.contracts.compute.market import Market


@pytest.fixture
def market() -> Market:
    return Market().set_up()
