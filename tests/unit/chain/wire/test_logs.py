"""Log queries in all their forms."""

import pytest

from zerog.chain.protocol.logs import LogCriteria, LogQuery, check_range
from zerog.chain.protocol.tags import BlockByHash, BlockByNumber, Tag
from zerog.chain.wire.logs import LogQueryObject
from zerog.primitives import Address, Hash32, InvalidParametersError

ADDRESS, OTHER = "0x" + "11" * 20, "0x" + "22" * 20
TOPIC, SECOND = "0x" + "aa" * 32, "0x" + "bb" * 32
ADDRESS_BYTES, OTHER_BYTES = Address(b"\x11" * 20), Address(b"\x22" * 20)
TOPIC_BYTES, SECOND_BYTES = Hash32(b"\xaa" * 32), Hash32(b"\xbb" * 32)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, LogQuery(LogCriteria())),
        ({"fromBlock": "0x1", "toBlock": "latest"}, LogQuery(LogCriteria(), BlockByNumber(1), Tag.LATEST)),
        ({"address": ADDRESS}, LogQuery(LogCriteria((ADDRESS_BYTES,)))),
        ({"address": [ADDRESS, OTHER]}, LogQuery(LogCriteria((ADDRESS_BYTES, OTHER_BYTES)))),
        ({"address": None, "topics": None}, LogQuery(LogCriteria())),
        ({"topics": [TOPIC, None, [TOPIC, SECOND]]}, LogQuery(LogCriteria(topics=((TOPIC_BYTES,), (), (TOPIC_BYTES, SECOND_BYTES))))),
        ({"topics": [[TOPIC, None]]}, LogQuery(LogCriteria(topics=((),)))),
        ({"blockHash": TOPIC}, LogQuery(LogCriteria(), block=BlockByHash(TOPIC_BYTES))),
    ],
)
def test_queries_are_read(value: object, expected: LogQuery) -> None:
    assert LogQueryObject.from_json(value).query == expected


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ([], "cannot unmarshal array"),
        ({"blockHash": TOPIC, "fromBlock": "0x1"}, "cannot specify both BlockHash and FromBlock/ToBlock"),
        ({"blockHash": TOPIC, "toBlock": "latest"}, "cannot specify both BlockHash and FromBlock/ToBlock"),
        ({"address": 5}, "invalid addresses"),
        ({"address": "0x12"}, "want 40"),
        ({"address": [ADDRESS] * 1001}, "exceed max addresses"),
        ({"topics": [TOPIC] * 5}, "exceed max topics"),
        ({"topics": [[TOPIC] * 1001]}, "exceed max addresses or topics per search position"),
        ({"topics": "0x"}, "cannot unmarshal string"),
        ({"topics": [7]}, "invalid topic"),
    ],
)
def test_what_is_no_query_is_refused(value: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        LogQueryObject.from_json(value)


def test_a_range_lies_within_the_chain() -> None:
    check_range(0, 5, 5)
    with pytest.raises(InvalidParametersError, match="invalid block range params"):
        check_range(4, 3, 5)
    with pytest.raises(InvalidParametersError, match="block range extends beyond current head block"):
        check_range(0, 6, 5)
