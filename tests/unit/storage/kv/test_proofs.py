"""A value with its proof, held against the chain by the client that distrusts the node."""

from collections.abc import Iterator

import pytest

from tests.unit.storage.kv.network import ADDRESSES, Item, KvNetwork, KvNode, put, stream
from tests.unit.storage.node.network import LOCAL, Chain, Node
from zerog.storage.client import StorageClient
from zerog.storage.client.kv import KvClient
from zerog.storage.protocol.encryption import FileKeys, SecretKey, cipher_v1


@pytest.fixture(scope="module")
def client(chain: Chain, node: Node, kv: KvNode) -> Iterator[KvClient]:
    with (
        StorageClient(nodes=[node.url]) as storage,
        KvClient(kv.url, chain=chain.client, flow=LOCAL.addresses["flow"], storage=storage) as client,
    ):
        yield client


def test_values_are_proved_whatever_their_item_looks_like(chain: Chain, node: Node, kv: KvNode, client: KvClient) -> None:
    """Of one sector, of several segments with padding, and among many other submissions."""
    first = stream()
    values = {b"small": b"v", b"large": bytes(range(256)) * 3_000, b"deleted": b""}
    seqs = {key: put(chain, node, Item.of((first, key, value), (first, b"k" + key, b"x"))) for key, value in values.items()}
    put(chain, node, Item.of((first, b"later", b"v" * 5_000)))
    last = put(chain, node, Item.of((first, b"small", b"newer")))
    kv.wait_for_result(last)
    for key, value in (values | {b"small": b"newer"}).items():
        proved = client.get_proved(first, key)
        assert proved is not None
        assert (proved.data, proved.sender) == (value, ADDRESSES[1])
    old = client.get_proved(first, b"small", version=seqs[b"small"])
    assert old is not None
    assert (old.data, old.version) == (b"v", seqs[b"small"])
    assert client.get_proved(first, b"never written") is None


def test_values_of_encrypted_items_are_proved(network: KvNetwork, chain: Chain, node: Node) -> None:
    first, key = stream(), SecretKey(bytes(range(32)))
    value = bytes(range(256)) * 4_000
    cipher = cipher_v1(key, nonce=bytes(16))
    with (
        network.running_kv(chain, node, encryption_key=key.hex()) as kv,
        StorageClient(nodes=[node.url]) as storage,
        KvClient(kv.url, chain=chain.client, flow=LOCAL.addresses["flow"], storage=storage) as client,
    ):
        seq = put(chain, node, Item(cipher.encrypt(Item.of((first, b"a", b"v"), (first, b"k", value)).data), [first]))
        kv.wait_for_result(seq)
        proved = client.get_proved(first, b"k", keys=FileKeys(shared=key))
        assert proved is not None
        assert proved.data == value


def test_a_proof_that_nobody_can_give_is_refused(network: KvNetwork, chain: Chain, node: Node) -> None:
    """The storage nodes have gone that had what the key-value node has applied."""
    first = stream()
    door = network.stage(chain).door(node.url)
    with network.running_kv(chain, nodes=(door.url,)) as kv:
        seq = put(chain, node, Item.of((first, b"k", b"v")))
        kv.wait_for_result(seq)
        door.is_shut = True
        code, message, _ = kv.refusal("kv_getProof", str(first), "aw==")
        assert (code, message.startswith("no storage node gives item")) == (-32000, True)
        assert kv.get(first, b"k") == b"v"
