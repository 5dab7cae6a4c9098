"""The registry: who becomes a signer, by what signature, and with how many votes. Vectors are those of the official programs."""

import dataclasses

import pytest

from tests.contracts.da.entrance import ETHER, Da, Deployed, RevertedError, reason_of, root_of, short_epochs
from zerog._kernel import AccountOverride, bls_hash_to_g1, keccak256
from zerog.contracts.da import (
    DA_ENTRANCE,
    DA_REGISTRY,
    DA_SIGNERS,
    G1,
    G2,
    CommitRootSubmission,
    SignerDetail,
    decode_quorum,
    decode_signers,
    quorum_call,
    register_next_epoch_call,
    register_signer_call,
    signers_call,
    submit_verified_commit_roots_call,
)
from zerog.contracts.da_refusals import RegistryRefusal
from zerog.da.protocol.messages import blob_digest, epoch_digest, ownership_digest
from zerog.da.protocol.quorum import Quorum
from zerog.networks import own_network
from zerog.primitives import Address, Hash32, decode_data

CHAIN_ID = 8888
SIGNER = Address(decode_data("0x9685C4EB29309820CDC62663CC6CC82F3D42E964"))
OWNERSHIP = G1(
    17347288745752564851578145205408924577042674846071448492673629564958667746090,
    21456041422468658262738002909407073439935597271458862589356790821116767485654,
)
EPOCH_1 = G1(
    13283083124528531674735853832182424672122091139683454761857829308708073730285,
    21773064143788270772276852950775943855438706734263253481317981346601766662828,
)
BLOB = G1(
    3104132272622526655068902279970515367044771064982988265068273751564440697689,
    14983672482514514723382346054400511740670770934276906876175822994665721348371,
)
"""What address and chain id, the first epoch, and a blob are hashed to. A signature by the secret 1 is the hash itself."""
GENERATOR_1 = G1(1, 2)
GENERATOR_2 = G2(
    (
        10857046999023057135944570762232829481370756359578518086990519993285655852781,
        11559732032986387107991004021392285783925812861821192530917403151452391805634,
    ),
    (
        8495653923123431417604973247489272438418190587263600148770280649306958101930,
        4082367875863433681332203403145435568316851327593401208105741076214120093531,
    ),
)
DETAIL = SignerDetail(signer=SIGNER, socket="127.0.0.1:1", public_key_g1=GENERATOR_1, public_key_g2=GENERATOR_2)
REGISTER = register_signer_call(DETAIL, OWNERSHIP)
VOTE = register_next_epoch_call(EPOCH_1)


def rich(votes: int) -> AccountOverride:
    """The signer of the vectors with a balance of so many votes."""
    return AccountOverride(SIGNER, balance=votes * 30 * ETHER)


@pytest.fixture(scope="module")
def vectors() -> Da:
    """A chain with the id of the vectors."""
    return Da(short_epochs(own_network(chain_id=CHAIN_ID)))


def test_hashes_are_those_of_the_vectors() -> None:
    assert bls_hash_to_g1(ownership_digest(SIGNER, CHAIN_ID)) == OWNERSHIP.words
    assert bls_hash_to_g1(epoch_digest(SIGNER, 1, CHAIN_ID)) == EPOCH_1.words
    assert bls_hash_to_g1(blob_digest(Hash32(b"\x11" * 32), 1, 2, GENERATOR_1.words)) == BLOB.words


def test_the_contracts_hash_owner_and_epoch_as_in_the_vectors(vectors: Da) -> None:
    results = vectors.series(SIGNER, [(vectors.registry, REGISTER), (vectors.registry, VOTE)], [rich(1)])
    assert [status for status, _ in results] == ["success", "success"]


def test_the_entrance_hashes_a_blob_as_in_the_vectors(vectors: Da) -> None:
    """7,000 votes beside the 768 of others make three quorums, each mostly the signer's."""
    signers = vectors.signers_contract
    begin = [(vectors.registry, REGISTER), (vectors.registry, VOTE), (vectors.entrance, DA_ENTRANCE.function("sync").encode())]
    ask = [(signers, DA_SIGNERS.function("quorumCount").encode(1)), (signers, quorum_call(1, 2))]
    results = vectors.series(SIGNER, [*begin, *ask], [rich(7000)])
    assert [status for status, _ in results] == ["success"] * 5
    assert int.from_bytes(results[3][1]) == 3
    quorum = Quorum(1, 2, decode_quorum(results[4][1]))
    for signature, expected in ((BLOB, "success"), (OWNERSHIP, "revert")):
        submission = CommitRootSubmission(
            data_root=Hash32(b"\x11" * 32),
            epoch=1,
            quorum_id=2,
            erasure_commitment=GENERATOR_1,
            quorum_bitmap=quorum.bitmap([SIGNER]),
            aggregate_key=GENERATOR_2,
            signature=signature,
        )
        *_, (status, output) = vectors.series(
            SIGNER, [*begin, (vectors.entrance, submit_verified_commit_roots_call([submission]))], [rich(7000)]
        )
        assert status == expected, reason_of(output)


def test_a_signature_for_another_chain_is_refused() -> None:
    """The registry passes on that the precompiled contract failed, which gives no reason."""
    da = Da()
    [(status, output)] = da.series(SIGNER, [(da.registry, REGISTER)])
    assert (status, reason_of(output)) == ("revert", RegistryRefusal.SIGNER_NOT_REGISTERED)
    newcomer = da.newcomer
    with pytest.raises(RevertedError, match=RegistryRefusal.SIGNER_NOT_REGISTERED):
        da.transact(newcomer.account, da.registry, register_signer_call(newcomer.detail(), newcomer.owns(CHAIN_ID)))
    da.register(newcomer)
    with pytest.raises(RevertedError, match=RegistryRefusal.EPOCH_NOT_REGISTERED):
        da.transact(newcomer.account, da.registry, register_next_epoch_call(newcomer.wants(1, CHAIN_ID)))
    with pytest.raises(RevertedError, match=RegistryRefusal.EPOCH_NOT_REGISTERED):
        da.transact(newcomer.account, da.registry, register_next_epoch_call(newcomer.wants(2, da.network.chain_id)))
    da.transact(newcomer.account, da.registry, register_next_epoch_call(newcomer.wants(1, da.network.chain_id)))
    assert da.read(da.signers_contract, "registeredEpoch", newcomer.account.address, 1) is True


def test_a_key_in_g2_with_its_parts_exchanged_is_refused(vectors: Da) -> None:
    (x_real, x_imaginary), (y_real, y_imaginary) = GENERATOR_2.to_abi()
    exchanged = dataclasses.replace(DETAIL, public_key_g2=G2((x_imaginary, x_real), (y_imaginary, y_real)))
    [(status, output)] = vectors.series(SIGNER, [(vectors.registry, register_signer_call(exchanged, OWNERSHIP))])
    assert (status, reason_of(output)) == ("revert", RegistryRefusal.SIGNER_NOT_REGISTERED)


def test_nobody_registers_past_the_registry_nor_through_a_contract_nor_for_others(da: Da) -> None:
    newcomer = da.newcomer
    detail, signature = newcomer.detail(), newcomer.owns(da.network.chain_id)
    direct = DA_SIGNERS.function("registerSigner").encode(detail.to_abi(), signature.to_abi())
    with pytest.raises(RevertedError) as refused:
        da.transact(newcomer.account, da.signers_contract, direct, gas=1_000_000)
    assert refused.value.data == b""
    vote = DA_SIGNERS.function("registerNextEpoch").encode(newcomer.account.address, newcomer.wants(1, da.network.chain_id).to_abi(), 10)
    with pytest.raises(RevertedError):
        da.transact(newcomer.account, da.signers_contract, vote, gas=1_000_000)
    with pytest.raises(RevertedError, match="ErrSenderNotSigner"):
        da.transact(da.other, da.registry, register_signer_call(detail, signature))
    assert da.read(da.signers_contract, "isSigner", newcomer.account.address) is False


def test_a_contract_cannot_sign_up(da: Da) -> None:
    """The code at the account calls the registry with whatever it is called with."""
    registry = da.registry.address.hex()
    forwarder = bytes.fromhex(f"365f5f375f5f365f5f73{registry}5af1503d5f5f3e3d5ffd")
    contract = Deployed(Address(b"\x77" * 20), DA_REGISTRY)
    da.chain.set_code(contract.address, forwarder)
    for call in (REGISTER, VOTE):
        with pytest.raises(RevertedError, match="ErrSenderNotOrigin"):
            da.view(contract, call)


def test_whoever_is_registered_is_told_and_can_be_found(da: Da) -> None:
    receipt = da.register(da.newcomer)
    g1, g2 = (da.newcomer.detail().public_key_g1, da.newcomer.detail().public_key_g2)
    [(address, told_g1, told_g2)] = receipt.named("NewSigner")
    assert (address, G1.from_abi(told_g1), G2.from_abi(told_g2)) == (da.newcomer.account.address, g1, g2)
    assert receipt.named("SocketUpdated") == [(da.newcomer.account.address, "127.0.0.1:1")]
    [found] = decode_signers(da.view(da.signers_contract, signers_call([da.newcomer.account.address])))
    assert found == da.newcomer.detail()
    with pytest.raises(RevertedError, match=RegistryRefusal.SIGNER_NOT_REGISTERED):
        da.register(da.newcomer)


@pytest.mark.parametrize(("tokens", "votes"), [(29, 0), (30, 1), (59, 1), (60, 2), (7709, 256)])
def test_votes_are_the_balance_in_whole_thirties(da: Da, tokens: int, votes: int) -> None:
    """Beside three signers of 256 votes. Places that are left over go to the first ballots once more."""
    newcomer = da.newcomer
    da.register(newcomer)
    da.chain.set_balance(newcomer.account.address, tokens * ETHER)
    vote = register_next_epoch_call(newcomer.wants(1, da.network.chain_id))
    if votes == 0:
        with pytest.raises(RevertedError, match="ErrSenderNotEligibleToVote"):
            da.transact(newcomer.account, da.registry, vote)
        return
    da.transact(newcomer.account, da.registry, vote)
    da.announce(root_of(1))
    mine = len(da.quorum().rows_of(newcomer.account.address))
    ballots = 768 + votes
    assert votes * (3072 // ballots) <= mine <= votes * -(-3072 // ballots)


def test_nobody_has_more_than_102400_votes(vectors: Da) -> None:
    """Where the precompiled contract keeps votes: the hash of 3, the epoch and the account. Source: 0glabs/0g-geth, core/vm."""
    slot = keccak256(b"\x03" + (1).to_bytes(8) + vectors.newcomer.account.address)
    for votes, kept in ((102_399, 102_399), (102_400, 102_400), (10**7, 102_400)):
        height = vectors.height
        vectors.register(vectors.newcomer)
        vectors.chain.set_balance(vectors.newcomer.account.address, votes * 30 * ETHER)
        vote = register_next_epoch_call(vectors.newcomer.wants(1, CHAIN_ID))
        vectors.transact(vectors.newcomer.account, vectors.registry, vote)
        assert int.from_bytes(vectors.chain.storage(vectors.signers_contract.address, slot)) == kept
        vectors.chain.unwind(height)


def test_a_new_owner_owns_the_registry_and_nobody_else_makes_one(da: Da) -> None:
    assert da.refusal(da.other, da.registry, "transferOwnership", da.other.address) == "OwnableUnauthorizedAccount"
    da.send(da.admin, da.registry, "transferOwnership", da.other.address)
    assert da.read(da.registry, "owner") == da.other.address
    assert da.read(da.registry, "MAX_VOTES") == 102_400
    assert da.read(da.registry, "TOKENS_PER_VOTE") == 30 * ETHER
