"""The contracts of DA, as each test finds them: set up, with three signers, and before the first epoch."""

import pytest

from tests.contracts.da.entrance import Da


@pytest.fixture
def da() -> Da:
    return Da()
