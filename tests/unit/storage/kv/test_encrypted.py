"""Streams whose items are encrypted: with a shared key, for an account, and what does not fit either."""

from typing import Any

import pytest

from tests.unit.storage.kv.network import Item, KvNetwork, put, stream
from tests.unit.storage.node.network import Chain, Node
from zerog.storage.protocol.encryption import SecretKey, cipher_v1, cipher_v2, cipher_v3, recipient_key_of
from zerog.storage.protocol.file_cipher import FileCipher

KEY, PRIVATE = SecretKey(bytes(range(32))), SecretKey(b"\1" * 32)


def shared(number: int) -> FileCipher:
    return cipher_v1(KEY, nonce=number.to_bytes(16))


def sealed(number: int) -> FileCipher:
    return cipher_v3(KEY, salt=number.to_bytes(32))


def for_account(number: int) -> FileCipher:
    return cipher_v2(recipient_key_of(PRIVATE), ephemeral_key=SecretKey(b"\2" * 32), nonce=number.to_bytes(16))


@pytest.mark.parametrize(
    ("cipher", "settings"),
    [
        (shared, {"encryption_key": KEY.hex()}),
        (sealed, {"encryption_key": "0x" + KEY.hex()}),
        (for_account, {"private_key": PRIVATE.hex()}),
    ],
)
def test_items_are_decrypted_and_what_cannot_be_is_recorded(
    network: KvNetwork, chain: Chain, node: Node, cipher: Any, settings: dict[str, Any]
) -> None:
    """A plain item, one for another key, and junk each get a result; the next good one is applied."""
    first, value = stream(), bytes(range(256)) * 2_000
    with network.running_kv(chain, node, stream=(str(first),), item_bytes_in_memory=1_000, **settings) as kv:
        good = put(chain, node, Item(cipher(1).encrypt(Item.of((first, b"k", b"v")).data), [first]))
        bad = [
            put(chain, node, Item.of((first, b"k", b"plain"))),
            put(chain, node, Item(b"\x01short%d" % good, [first])),
            put(chain, node, Item(b"\x02" + b"\xff" * 300 + b"%d" % good, [first])),
            put(chain, node, Item(cipher_v3(SecretKey(bytes(32)), salt=good.to_bytes(32)).encrypt(b"other"), [first])),
        ]
        last = put(chain, node, Item(cipher(2).encrypt(Item.of((first, b"large", value)).data), [first]))
        assert kv.wait_for_result(last) == "Commit"
        assert [kv.rpc("kv_getTransactionResult", seq) for seq in bad] == ["DataParseError: Invalid stream data"] * 4
        assert [kv.get(first, b"k"), kv.get(first, b"large", start=500_000)] == [b"v", value[500_000:501_000]]
        assert kv.keeper.counters.items_undecodable == len(bad)
