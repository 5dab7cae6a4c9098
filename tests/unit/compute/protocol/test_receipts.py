"""Receipts: one encoding, one tree, and no byte of either that may be another."""

from collections.abc import Callable

import msgspec
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.compute.protocol.vectors import PROVIDER, SIGNER, USER
from zerog._kernel import keccak256
from zerog.compute.protocol.fees import Fee, Usage
from zerog.compute.protocol.receipts import (
    EngineIdentity,
    InclusionProof,
    Receipt,
    ReceiptError,
    ReceiptTree,
    Remainder,
    SummedNode,
    canonical_bytes,
    leaf_of,
    proven_place,
    read_receipt,
    read_remainder,
    recover_receipt_signer,
    sign_receipt,
)
from zerog.primitives import Hash32, Wei

RECEIPT = Receipt(
    version=1,
    id="7c9e6679-7425-40de-944b-e07fc1f90ae7",
    chain_id=31337,
    provider=PROVIDER,
    user=USER.address,
    service_type="chatbot",
    model="modèle-1",
    request_sha256=Hash32(b"\x11" * 32),
    response_sha256=Hash32(b"\x22" * 32),
    signed_text=f"{'11' * 32}:{'22' * 32}",
    usage=Usage(prompt_tokens=12, completion_tokens=30),
    **Receipt.fees(Fee(Wei(1_200), Wei(2**200))),
    created_at_ms=1_700_000_000_000,
    signer=SIGNER.address,
    engine=EngineIdentity(name="scripted", version="1", note="scripted answers", parameters={"seed": "7"}),
)


def leaves(count: int) -> list[Hash32]:
    return [leaf_of(b"receipt %d" % index) for index in range(count)]


def test_the_canonical_bytes_are_these() -> None:
    """RFC 8785: members by name, no space, text in UTF-8; amounts as text. Pinned: another encoding would void every proof."""
    assert canonical_bytes(RECEIPT).decode() == (
        '{"chain_id":31337,"created_at_ms":1700000000000,"engine":{"name":"scripted","note":"scripted answers","parameters":{"seed":"7"},'
        f'"version":"1"}},"fee":"{2**200 + 1200}","id":"7c9e6679-7425-40de-944b-e07fc1f90ae7","input_fee":"1200","model":"modèle-1",'
        f'"output_fee":"{2**200}","provider":"0x70997970C51812dc3A010C7d01b50e0d17dc79C8","request_sha256":"0x{"11" * 32}",'
        f'"response_sha256":"0x{"22" * 32}","service_type":"chatbot","signed_text":"{"11" * 32}:{"22" * 32}",'
        '"signer":"0x325744be57db298C2652c672B32Eb12875d92D83","usage":{"cached_tokens":0,"completion_tokens":30,"images":0,'
        '"prompt_tokens":12,"seconds":0},"user":"0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC","version":1}'
    )
    assert leaf_of(b"{}") == keccak256(b"\0{}")


@given(st.text(), st.dictionaries(st.from_regex(r"[!-~]{1,8}", fullmatch=True), st.text(max_size=20)), st.integers(0, 2**53 - 1))
def test_the_canonical_bytes_are_those_of_rfc_8785(text: str, parameters: dict[str, str], number: int) -> None:
    engine = EngineIdentity(name=text, version="1", parameters=parameters)
    receipt = msgspec.structs.replace(RECEIPT, model=text, engine=engine, created_at_ms=number)
    data = canonical_bytes(receipt)
    assert data == rfc8785.dumps(msgspec.to_builtins(receipt, enc_hook=str))
    assert read_receipt(data) == receipt


def test_a_receipt_is_read_back() -> None:
    assert read_receipt(canonical_bytes(RECEIPT)) == RECEIPT


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda data: data + b" ", "canonical"),
        (lambda data: data.replace(b":31337", b": 31337"), "canonical"),
        (lambda data: data.replace(b'"1200"', b'"01200"'), "not a receipt"),
        (lambda data: data.replace(b'"1200"', b"1200"), "not a receipt"),
        (lambda data: data.replace(b'"1200"', b'"1201"'), "sum of its parts"),
        (lambda data: data.replace(b'"version":1}', b'"version":2}'), "not a receipt"),
        (lambda data: data.replace(b'"version":1}', b'"version":1,"x":1}'), "not a receipt"),
        (lambda data: data.replace(b'"user":"0x3C', b'"user":"0x3c'), "canonical"),
        (lambda data: data[:-1], "not a receipt"),
        (lambda _: b"[" * 60_000, "not a receipt"),
        (lambda data: data + bytes(64 << 10), "bytes, more than"),
        (lambda _: b"\xff", "not a receipt"),
    ],
)
def test_nothing_else_is_a_receipt(change: Callable[[bytes], bytes], cause: str) -> None:
    with pytest.raises(ReceiptError, match=cause):
        read_receipt(change(canonical_bytes(RECEIPT)))


def test_the_signer_vouches_for_a_receipt() -> None:
    leaf = leaf_of(canonical_bytes(RECEIPT))
    signature = sign_receipt(leaf, SIGNER.private_key)
    assert recover_receipt_signer(leaf, signature) == SIGNER.address
    assert recover_receipt_signer(leaf_of(b"another"), signature) != SIGNER.address
    with pytest.raises(ReceiptError, match="65 bytes"):
        recover_receipt_signer(leaf, signature[:-1])


def test_a_remainder_is_the_rest_of_a_fee() -> None:
    parts = {"version": 1, "kind": "remainder", "receipt": leaf_of(b"x"), "user": USER.address, "provider": PROVIDER, "chain_id": 1}
    remainder = Remainder(**parts, fee="100", paid="40", amount="60", after_nonce="17")  # type: ignore[arg-type]  # The types of `parts` are mixed.
    assert read_remainder(canonical_bytes(remainder)) == remainder
    for paid, amount in (("40", "61"), ("0", "100"), ("100", "0")):
        with pytest.raises(ValueError, match="two parts of the fee"):
            msgspec.structs.replace(remainder, paid=paid, amount=amount)
    with pytest.raises(ReceiptError, match="not a remainder"):
        read_remainder(canonical_bytes(RECEIPT))


AMOUNTS = [7 * index for index in range(200)]
"""The first receipt is free."""


def tree_of(rows: list[Hash32]) -> ReceiptTree:
    return ReceiptTree(rows, AMOUNTS[: len(rows)])


def folded(level: list[tuple[bytes, int]]) -> bytes:
    """The top of the tree by the words of the rule, without the class."""
    if len(level) == 1:
        return level[0][0] + level[0][1].to_bytes(32, "big")
    above = []
    for at in range(0, len(level), 2):
        pair = level[at : at + 2]
        content = b"".join(node + amount.to_bytes(32, "big") for node, amount in pair)
        above.append((keccak256(b"\1" + content), pair[0][1] + pair[1][1]) if len(pair) == 2 else pair[0])
    return folded(above)


@given(st.integers(1, 200))
@settings(deadline=None, max_examples=40)
def test_every_leaf_of_a_tree_of_any_size_is_proven(count: int) -> None:
    rows = leaves(count)
    tree = tree_of(rows)
    assert tree.root == keccak256(b"\2" + count.to_bytes(8, "big") + folded(list(zip(rows, AMOUNTS, strict=False))))
    for index, leaf in enumerate(rows):
        place = proven_place(leaf, AMOUNTS[index], tree.proof(index))
        assert (place.root, place.before_wei, place.total_wei) == (tree.root, sum(AMOUNTS[:index]), sum(AMOUNTS[:count]))


@given(st.integers(1, 70), st.data())
@settings(deadline=None, max_examples=150)
def test_a_proof_of_which_anything_is_changed_fails(count: int, data: st.DataObject) -> None:
    rows = leaves(count)
    tree = tree_of(rows)
    index = data.draw(st.integers(0, count - 1))
    proof = tree.proof(index)
    nodes = [(rows[index], AMOUNTS[index]), *((node.hash, int(node.amount)) for node in proof.proof)]
    whole = bytearray(b"".join(hash_ + amount.to_bytes(32, "big") for hash_, amount in nodes))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    parts = [bytes(whole[at : at + 64]) for at in range(0, len(whole), 64)]
    leaf, *beside = [(Hash32(part[:32]), int.from_bytes(part[32:], "big")) for part in parts]
    changed = InclusionProof(index=index, count=count, proof=[SummedNode(hash=node, amount=str(amount)) for node, amount in beside])
    try:
        root = proven_place(*leaf, changed).root
    except ReceiptError:
        return  # The sum is no number of the contract any more.
    assert root != tree.root


@given(st.integers(1, 70), st.integers(1, 70), st.data())
@settings(deadline=None, max_examples=150)
def test_a_proof_holds_for_no_other_place(count: int, other_count: int, data: st.DataObject) -> None:
    rows = leaves(count)
    tree = tree_of(rows)
    index, other = data.draw(st.integers(0, count - 1)), data.draw(st.integers(0, other_count - 1))
    claim = msgspec.structs.replace(tree.proof(index), index=other, count=other_count)
    try:
        root = proven_place(rows[index], AMOUNTS[index], claim).root
    except ReceiptError:
        return
    if root == tree.root:
        assert (other, other_count) == (index, count)


def test_proofs_of_other_lengths_and_places_are_refused() -> None:
    rows = leaves(5)
    tree = tree_of(rows)
    further = SummedNode(hash=rows[0], amount="0")
    for proof in (
        msgspec.structs.replace(tree.proof(2), proof=[]),
        msgspec.structs.replace(tree.proof(2), proof=[*tree.proof(2).proof, further]),
        msgspec.structs.replace(tree.proof(2), index=5),
        msgspec.structs.replace(tree.proof(2), index=-1),
    ):
        with pytest.raises(ReceiptError):
            proven_place(rows[2], AMOUNTS[2], proof)
    for index in (-1, 5):
        with pytest.raises(ReceiptError, match="there is no leaf"):
            tree.proof(index)
    with pytest.raises(ReceiptError, match="settlement of nothing"):
        ReceiptTree([], [])
    with pytest.raises(ReceiptError, match="no numbers of the contract"):
        ReceiptTree(rows[:2], [2**256 - 1, 1])


def test_a_node_is_no_leaf() -> None:
    """Without prefixes what is under a node could be sold as a receipt of 128 bytes."""
    rows = leaves(2)
    tree = tree_of(rows)
    under = b"".join(row + amount.to_bytes(32, "big") for row, amount in zip(rows, AMOUNTS, strict=False))
    assert leaf_of(under) != keccak256(b"\1" + under)
    top = keccak256(b"\1" + under) + sum(AMOUNTS[:2]).to_bytes(32, "big")
    assert keccak256(b"\2" + (2).to_bytes(8, "big") + top) == tree.root


def test_a_proof_holds_for_one_number_of_leaves_only() -> None:
    """The first of six has a proof of the same shape as the first of seven."""
    rows = leaves(6)
    tree = tree_of(rows)
    assert len(tree.proof(0).proof) == len(tree_of(leaves(7)).proof(0).proof)
    assert proven_place(rows[0], AMOUNTS[0], msgspec.structs.replace(tree.proof(0), count=7)).root != tree.root


def test_no_amount_can_be_moved_from_one_receipt_to_another() -> None:
    """Both sums together stay what they were, and the root does not."""
    rows = leaves(4)
    assert ReceiptTree(rows, [1, 2, 3, 4]).root != ReceiptTree(rows, [2, 1, 3, 4]).root
