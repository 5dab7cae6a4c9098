"""Parameters of traces."""

import pytest

from zerog.chain.wire.traces import RawTransaction


@pytest.mark.parametrize("value", ["0x02f8", [0x02, 0xF8]])
def test_a_raw_transaction_is_hex_or_a_list_of_bytes(value: object) -> None:
    assert RawTransaction.from_json(value) == bytes([0x02, 0xF8])


@pytest.mark.parametrize("value", [[256], [-1], [True], ["02"], [1.5], {}, 7, None])
def test_nothing_else_is_one(value: object) -> None:
    with pytest.raises(ValueError, match="cannot unmarshal"):
        RawTransaction.from_json(value)
