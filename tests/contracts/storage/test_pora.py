"""The steps of a proof of storage: the golden vectors, and the contract's steps beside those in Python."""

import hashlib
import random
from dataclasses import replace
from typing import Any

import pytest
from web3.contract import Contract
from web3.exceptions import ContractLogicError

from tests.contracts.storage.model import pattern
from tests.contracts.storage.pora_model import ALL_BITS, drawn_load, pad_seed, quality, range_digest, scratchpad, seal
from tests.interop.web3py.common import Context, artefact, deploy
from zerog._kernel import keccak256
from zerog.contracts.mine import MineRefusal, PoraAnswer, RecallRange
from zerog.primitives import Hash32

PROBE = artefact("testing/PoraProbe")
MINER_ID, CONTEXT_DIGEST, NONCE, SUBTASK_DIGEST = (Hash32(bytes([byte]) * 32) for byte in (0x11, 0x22, 0x33, 0x44))
PART = RecallRange(start_position=0, mine_length=4096, shard_id=1, shard_mask=ALL_BITS - 1)
SEALED = seal(pattern(4096), MINER_ID, CONTEXT_DIGEST, 16)
VECTOR = PoraAnswer(
    context_digest=CONTEXT_DIGEST,
    nonce=NONCE,
    miner_id=MINER_ID,
    range=PART,
    recall_position=3072 + 16 * 5,
    seal_offset=5,
    sealed_context_digest=CONTEXT_DIGEST,
    sealed_data=SEALED,
    merkle_proof=(),
)
"""Source: computed from the rules of 0gfoundation/0g-storage-node, `zgs_seal` and `miner`, when the wire was written down."""
QUALITY = "e0fbf11034653439f8bc7fb6aee973bf34ac6b22930036bf86704fb808181f8e"


@pytest.fixture(scope="module")
def probe(context: Context) -> Contract:
    return deploy(context, context.accounts[1], PROBE)


def test_a_seal_is_that_of_the_golden_vector() -> None:
    assert SEALED[:32].hex() == "831941cafec50ee185da1d31be08a8a104de5e994ece597635b060437fe4cee8"
    assert keccak256(SEALED).hex() == "f79a4e692fcb228c70d313374a09201b35adb27af962630318f83b88b2765637"


def test_a_nonce_draws_what_the_golden_vector_says() -> None:
    assert range_digest(PART).hex() == "ef2e6fe809a56978e3b0c3675e863599de4ec019e439939c703e2f19b8450261"
    seed = pad_seed(MINER_ID, NONCE, SUBTASK_DIGEST, PART)
    assert seed.hex() == (
        "3133175b5207847107f90c29ee194fda618a41c996ac6989a3a508671f976802c1b78d4eca86b0611ad087ceedfd0d68b1f5df3026d29f4513cf2eda0d283e61"
    )
    pad, recall_seed = scratchpad(seed)
    assert pad[:64].hex() == (
        "0bd65da35ce6904434d27ae926f923e9397b2645930d9c30686e6180f9a06f2570002eb2f523fe30d9ad781ebdc664fd6a5ca56adc43def35b9aeba4f80fcdab"
    )
    assert keccak256(pad).hex() == "aad69d7093c51b21091f9193208056389d9cad99f19a131fea7439135e99355a"
    assert recall_seed.hex() == "b0ef712b36e5151063740441f097c9bfee7aaac39cd85658541ac5634f464b1f"
    assert drawn_load(PART, recall_seed) == 3
    assert quality(seed, pad, 5, SEALED).to_bytes(32).hex() == QUALITY


def test_the_contract_finds_the_quality_of_the_golden_vector(probe: Contract) -> None:
    assert probe.functions.quality(VECTOR.to_abi(), SUBTASK_DIGEST).call().hex() == QUALITY


def test_the_contract_weighs_each_seal_of_a_load_as_the_rules_say(probe: Contract) -> None:
    rng = random.Random(11)
    seed = pad_seed(MINER_ID, NONCE, SUBTASK_DIGEST, PART)
    pad, _ = scratchpad(seed)
    for offset in (0, 1, 2, 3, 62, 63):
        sealed = rng.randbytes(4096)
        answer = replace(VECTOR, sealed_data=sealed, seal_offset=offset, recall_position=3072 + 16 * offset)
        found = probe.functions.quality(answer.to_abi(), SUBTASK_DIGEST).call()
        assert int.from_bytes(found) == quality(seed, pad, offset, sealed)


def test_the_contract_unseals_what_was_sealed(probe: Contract) -> None:
    rng = random.Random(12)
    for _ in range(5):
        data, miner_id, digest, sector = rng.randbytes(4096), rng.randbytes(32), rng.randbytes(32), 16 * rng.randrange(1 << 40)
        answer = replace(
            VECTOR,
            miner_id=Hash32(miner_id),
            sealed_context_digest=Hash32(digest),
            recall_position=sector,
            sealed_data=seal(data, miner_id, digest, sector),
        )
        assert b"".join(probe.functions.unseal(answer.to_abi()).call()) == data


def test_a_digest_is_that_of_hashlib_for_every_length_around_a_block_and_random_ones(probe: Contract) -> None:
    rng = random.Random(13)
    for length in [*range(4), *range(126, 131), *range(255, 258), 4224, 65_535, *(rng.randrange(10_000) for _ in range(10))]:
        message = rng.randbytes(length)
        assert b"".join(probe.functions.blake2b(message).call()) == hashlib.blake2b(message).digest(), length


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"recall_position": 3072 + 16 * 4}, MineRefusal.OTHER_POSITION),
        ({"recall_position": 3072 + 16 * 64, "seal_offset": 64}, MineRefusal.OTHER_POSITION),
        ({"seal_offset": 2**256 - 1}, MineRefusal.OTHER_POSITION),
        ({"range": replace(PART, mine_length=3 * 1024)}, MineRefusal.OUT_OF_BOUND),
    ],
)
def test_a_seal_that_the_nonce_did_not_draw_is_refused(context: Context, probe: Contract, changed: dict[str, Any], text: str) -> None:
    """The number of a seal within its load is below 64, so that nobody moves on to the next load."""
    answer, nonce = replace(VECTOR, **changed), 0
    if text == MineRefusal.OUT_OF_BOUND:
        nonce = next(nonce for nonce in range(100) if drawn_load(answer.range, seed_of(nonce, answer.range)) == 3)
        answer = replace(answer, nonce=Hash32(nonce.to_bytes(32)))
    with pytest.raises(ContractLogicError, match=text):
        probe.functions.quality(answer.to_abi(), SUBTASK_DIGEST).call()


def seed_of(nonce: int, part: RecallRange) -> bytes:
    """What draws a load for a nonce."""
    return scratchpad(pad_seed(MINER_ID, nonce.to_bytes(32), SUBTASK_DIGEST, part))[1]
