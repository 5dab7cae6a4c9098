"""The ABI of the contracts of DA is what the official programs call, and the codecs speak it."""

import pytest

from zerog._kernel import keccak256
from zerog.contracts import Interface
from zerog.contracts.da import (
    DA_ENTRANCE,
    DA_REGISTRY,
    DA_SIGNERS,
    G1,
    G2,
    AggregateKey,
    CommitRootSubmission,
    DAReward,
    DataUpload,
    ErasureCommitmentVerified,
    NewSampleRound,
    NewSigner,
    SampleRange,
    SampleResponse,
    SampleTask,
    SignerDetail,
    SignersParams,
    SocketUpdated,
    decode_quorum,
    decode_signers,
    register_signer_call,
    submit_sampling_response_call,
    submit_verified_commit_roots_call,
)
from zerog.contracts.da_refusals import ERRORS, WORDS, da_refusal
from zerog.primitives import Address, Hash32

POINT = "(uint256,uint256)"
POINT_2 = "(uint256[2],uint256[2])"
DETAIL = f"(address,string,{POINT},{POINT_2})"
COMMITMENT = f"(bytes32,uint256,uint256,{POINT},bytes,{POINT_2},{POINT})"
RESPONSE = "(bytes32,uint64,uint64,uint32,uint32,uint256,bytes32,bytes32[3],bytes32[],bytes)"

SIGNERS_FUNCTIONS = {
    "params()": "cff0ab96",
    "epochNumber()": "f4145a83",
    "quorumCount(uint256)": "5ecba503",
    "isSigner(address)": "7df73e27",
    "getSigner(address[])": "d1f5e5f8",
    "getQuorum(uint256,uint256)": "6ab6f654",
    "getQuorumRow(uint256,uint256,uint32)": "fa6fcba6",
    f"registerSigner({DETAIL},{POINT})": "7ca4dd5e",
    "updateSocket(string)": "0cf4b767",
    "registeredEpoch(address,uint256)": "6c9e560c",
    f"registerNextEpoch(address,{POINT},uint256)": "0f62bda5",
    "makeEpoch()": "5a889f0c",
    "getAggPkG1(uint256,uint256,bytes)": "50b73739",
}
REGISTRY_FUNCTIONS = {
    f"registerSigner({DETAIL},{POINT})": "7ca4dd5e",
    f"registerNextEpoch({POINT})": "56a32372",
    "DA_SIGNERS()": "807f063a",
    "TOKENS_PER_VOTE()": "752a0920",
    "MAX_VOTES()": "05b0baa8",
    "initialize()": "8129fc1c",
    "owner()": "8da5cb5b",
    "transferOwnership(address)": "f2fde38b",
    "renounceOwnership()": "715018a6",
}
ENTRANCE_FUNCTIONS = {
    "submitOriginalData(bytes32[])": "d4ae59c9",
    f"submitVerifiedCommitRoots({COMMITMENT}[])": "eafed6ce",
    f"submitSamplingResponse({RESPONSE})": "f6902775",
    "verifiedErasureCommitment(bytes32,uint256,uint256)": "9da3a69b",
    "commitmentExists(bytes32,uint256,uint256)": "6a53525d",
    "sync()": "fff6cae9",
    "syncFixedTimes(uint256)": "e051d1ea",
    "sampleTask()": "988ea94e",
    "sampleRange()": "6efc2555",
    "donate()": "ed88c68e",
    "withdrawPayments(address)": "31b3eb94",
    "payments(address)": "e2982c21",
    "initialize()": "8129fc1c",
    "blobPrice()": "3d00448a",
    "currentEpoch()": "76671808",
    "currentSampleSeed()": "9fae1fa4",
    "sampleRound()": "168a062c",
    "nextSampleHeight()": "7397eb33",
    "podasTarget()": "c8d3b359",
    "roundSubmissions()": "ff187748",
    "targetRoundSubmissions()": "2fc0534b",
    "targetRoundSubmissionsNext()": "257a3aa3",
    "currentEpochReward()": "e68e035b",
    "activedReward()": "12577052",
    "totalBaseReward()": "7f1b5e43",
    "serviceFee()": "8abdf5aa",
    "epochWindowSize()": "3e898337",
    "rewardRatio()": "646033bc",
    "baseReward()": "76ad03bc",
    "samplePeriod()": "98920f57",
    "serviceFeeRateBps()": "c0575111",
    "treasury()": "61d027b3",
    "DA_SIGNERS()": "807f063a",
    "PARAMS_ADMIN_ROLE()": "b15d20da",
    "SLICE_NUMERATOR()": "5626a47b",
    "SLICE_DENOMINATOR()": "602b245a",
    "MAX_PODAS_TARGET()": "8bdcc712",
    "setRoundSubmissions(uint64)": "88521ec7",
    "setEpochWindowSize(uint64)": "b1be17ab",
    "setRewardRatio(uint64)": "3bab2a70",
    "setBaseReward(uint256)": "0373a23a",
    "setSamplePeriod(uint64)": "1192de9a",
    "setBlobPrice(uint256)": "23dd60a6",
    "setServiceFeeRate(uint256)": "9b1d3091",
    "setTreasury(address)": "f0f44260",
    "getRoleMember(bytes32,uint256)": "9010d07c",
    "getRoleMemberCount(bytes32)": "ca15c873",
    "hasRole(bytes32,address)": "91d14854",
}
OUTPUTS = {
    (DA_SIGNERS, "params"): ("(uint256,uint256,uint256,uint256,uint256)",),
    (DA_SIGNERS, "getSigner"): (f"{DETAIL}[]",),
    (DA_SIGNERS, "getQuorum"): ("address[]",),
    (DA_SIGNERS, "getAggPkG1"): (POINT, "uint256", "uint256"),
    (DA_SIGNERS, "registeredEpoch"): ("bool",),
    (DA_ENTRANCE, "verifiedErasureCommitment"): (POINT,),
    (DA_ENTRANCE, "commitmentExists"): ("bool",),
    (DA_ENTRANCE, "sampleTask"): ("(bytes32,uint256,uint64)",),
    (DA_ENTRANCE, "sampleRange"): ("(uint64,uint64)",),
    (DA_ENTRANCE, "currentSampleSeed"): ("bytes32",),
    (DA_ENTRANCE, "treasury"): ("address",),
    (DA_ENTRANCE, "podasTarget"): ("uint256",),
}
SIGNER = Address(b"\x11" * 20)
KEY = G2((3, 4), (5, 6))


@pytest.mark.parametrize(
    ("interface", "functions"),
    [(DA_SIGNERS, SIGNERS_FUNCTIONS), (DA_REGISTRY, REGISTRY_FUNCTIONS), (DA_ENTRANCE, ENTRANCE_FUNCTIONS)],
    ids=["signers", "registry", "entrance"],
)
def test_every_selector_of_the_official_contracts_is_offered(interface: Interface, functions: dict[str, str]) -> None:
    offered = {signature: function.selector.hex() for signature, function in interface.functions.items()}
    assert {signature: offered.get(signature) for signature in functions} == functions


def test_what_functions_return_has_the_official_types() -> None:
    assert {key: key[0].function(key[1]).outputs for key in OUTPUTS} == OUTPUTS


def test_topics_are_the_official_ones() -> None:
    assert NewSigner.TOPIC.hex() == "679917c2006df1daaa987a56bf1d66e99764d5ad317892d9e83a6eb4e3f051e7"
    assert SocketUpdated.TOPIC.hex() == "09617a966176a40f8f1410768b118506db0096484acd5811064fcc12038798de"
    assert DataUpload.TOPIC.hex() == "57b8b1a6583dc6ce934dfba3d66f2a8e1591b6e171bb2e0921cc64640277087b"
    assert ErasureCommitmentVerified.TOPIC.hex() == "0f1b20d87bebd11dddaaab51f01cf2726880cb3f8073b636dbafa2aa8cacd256"
    assert NewSampleRound.TOPIC.hex() == "dfb5db5886e81f083727f21152a2a83457e99364e9f104e1aa10bbd6d9b4b95f"
    assert DAReward.TOPIC.hex() == "c3898eb7106c1cb2f727da316a76320c0035f5692950aa7f6b65d20a5efaedc5"
    indexed = [[is_indexed for _, is_indexed in interface.event(name).inputs] for interface, name in INDEXED]
    assert indexed == [list(found) for found in INDEXED.values()]


INDEXED = {
    (DA_SIGNERS, "NewSigner"): (True, False, False),
    (DA_SIGNERS, "SocketUpdated"): (True, False),
    (DA_ENTRANCE, "DataUpload"): (False,) * 5,
    (DA_ENTRANCE, "ErasureCommitmentVerified"): (False,) * 3,
    (DA_ENTRANCE, "NewSampleRound"): (True, False, False, False),
    (DA_ENTRANCE, "DAReward"): (True, True, True, *(False,) * 6),
}


def test_every_custom_error_has_words_and_the_registrys_have_the_official_selectors() -> None:
    selectors = {error.signature: error.selector.hex() for error in DA_REGISTRY.errors.values()}
    assert selectors["ErrSenderNotOrigin()"] == "0f15d651"
    assert selectors["ErrSenderNotSigner()"] == "4090e434"
    assert selectors["ErrSenderNotEligibleToVote()"] == "2e9b1de8"
    assert {error.signature.split("(")[0] for error in ERRORS.values()} == WORDS.keys()
    for error in ERRORS.values():
        refusal = da_refusal(error.selector + bytes(32 * len(error.inputs)))
        assert refusal is not None
        assert str(refusal).endswith(f"({refusal.name})")
        assert refusal.remedy
    assert da_refusal(b"") is da_refusal(b"\x08\xc3\x79\xa0") is None


def test_a_refusal_for_want_of_a_role_names_account_and_role() -> None:
    error = DA_ENTRANCE.error("AccessControlUnauthorizedAccount")
    refusal = da_refusal(error.selector + SIGNER.rjust(32, b"\0") + b"\x22" * 32)
    assert str(refusal) == f"{SIGNER} has not the role 0x{'22' * 32} (AccessControlUnauthorizedAccount)"


def test_points_keep_their_order_real_first_but_for_the_pairing() -> None:
    words = b"".join(number.to_bytes(32) for number in (3, 4, 5, 6))
    assert G2.from_words(words) == KEY
    assert KEY.words == words
    assert KEY.to_abi() == ((3, 4), (5, 6))
    assert KEY.to_pairing_abi() == ((4, 3), (6, 5))
    assert G2.from_abi(KEY.to_abi()) == G2.from_pairing_abi(KEY.to_pairing_abi()) == KEY
    assert G1.from_words(words[:64]) == G1(3, 4)
    assert G1(3, 4).words == words[:64]
    with pytest.raises(ValueError, match="63 bytes, where 2 words of 32 are needed"):
        G1.from_words(words[:63])


def test_structs_come_back_from_call_data() -> None:
    detail = SignerDetail(signer=SIGNER, socket="127.0.0.1:34010", public_key_g1=G1(1, 2), public_key_g2=KEY)
    arguments = DA_REGISTRY.function("registerSigner").decode_call(register_signer_call(detail, G1(7, 8)))
    assert (SignerDetail.from_abi(arguments[0]), G1.from_abi(arguments[1])) == (detail, G1(7, 8))
    submission = CommitRootSubmission(
        data_root=Hash32(b"\x22" * 32),
        epoch=1,
        quorum_id=2,
        erasure_commitment=G1(1, 2),
        quorum_bitmap=b"\x01" * 384,
        aggregate_key=KEY,
        signature=G1(9, 10),
    )
    call = submit_verified_commit_roots_call([submission])
    [submissions] = DA_ENTRANCE.function("submitVerifiedCommitRoots").decode_call(call)
    assert [CommitRootSubmission.from_abi(value) for value in submissions] == [submission]
    [(*_, key, _)] = submissions
    assert [list(pair) for pair in key] == [[4, 3], [6, 5]]


def test_a_samples_fields_stand_in_the_official_order() -> None:
    seed, root, proof = Hash32(b"\x01" * 32), Hash32(b"\x02" * 32), (Hash32(b"\x03" * 32),) * 15
    response = SampleResponse(
        sample_seed=seed,
        epoch=4,
        quorum_id=5,
        line_index=6,
        subline_index=7,
        quality=8,
        data_root=root,
        blob_roots=(seed, root, seed),
        proof=proof,
        data=b"\x09" * 1024,
    )
    [value] = DA_ENTRANCE.function("submitSamplingResponse").decode_call(submit_sampling_response_call(response))
    assert tuple(value[:7]) == (seed, 4, 5, 6, 7, 8, root)
    assert (tuple(value[7]), tuple(value[8]), value[9]) == ((seed, root, seed), proof, b"\x09" * 1024)


def test_results_become_values() -> None:
    words = [number.to_bytes(32) for number in range(1, 6)]
    assert SignersParams.decode(b"".join(words)) == SignersParams(
        tokens_per_vote=1, max_votes_per_signer=2, max_quorums=3, epoch_blocks=4, encoded_slices=5
    )
    assert AggregateKey.decode(b"".join(words[:4])) == AggregateKey(G1(1, 2), 3, 4)
    assert SampleTask.decode(b"".join(words[:3])) == SampleTask(Hash32(words[0]), 2, 3)
    assert SampleRange.decode(b"".join(words[:2])) == SampleRange(1, 2)
    one_signer = (32).to_bytes(32) + (1).to_bytes(32) + SIGNER.rjust(32, b"\0")
    assert decode_quorum(one_signer) == (SIGNER,)
    assert decode_signers((32).to_bytes(32) + bytes(32)) == []


def test_storage_stands_in_the_official_namespaces() -> None:
    """ERC-7201; that the contracts read and write there, the tests of the first block see."""
    for name, slot in NAMESPACES.items():
        inner = int.from_bytes(keccak256(name.encode())) - 1
        assert keccak256(inner.to_bytes(32))[:31].hex() + "00" == slot


NAMESPACES = {
    "0g.storage.DAEntrance": "1f01119f54caddd4b5bcce29799619f00bb427288e5c1c0713537061bd123800",
    "0g.storage.PullPayment": "18886ccf3cb33ec4f8e31fd4f09d61266d4695ceab87fb3d39636905b707c100",
}
