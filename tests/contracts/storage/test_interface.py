"""The ABI of the storage contracts is what the official clients call, and the codecs speak it."""

import pytest

from tests.contracts.storage.deployment import Storage, pattern_file
from zerog._kernel import DecodeError, keccak256
from zerog.contracts import Interface, load_interface
from zerog.contracts.mine import MINE, NewMinerId, NewSubmission, UpdateMinerId
from zerog.contracts.storage import FIXED_PRICE, FLOW, REWARD, DistributeReward, NewEpoch, Submit, batch_submit_call, submit_call
from zerog.primitives import Address

FILE = "(uint256,bytes,(bytes32,uint256)[])"
DIGEST_HISTORY = load_interface("storage", "DigestHistory")

FLOW_FUNCTIONS = {
    f"submit(({FILE},address))": "bc8c11f8",
    f"batchSubmit(({FILE},address)[])": "49aa3395",
    f"submit({FILE})": "ef3e12dc",
    f"batchSubmit({FILE}[])": "9e62a38e",
    "market()": "80f55605",
    "numSubmissions()": "77e19824",
    "submissionIndex()": "b8a409ac",
    "tree()": "fd54b228",
    "getFlowRootByTxSeq(uint256)": "6d7ad0fc",
    "getContext()": "127f0f07",
    "makeContextWithResult()": "b464b53e",
    "makeContext()": "38d45e10",
    "makeContextFixedTimes(uint256)": "18a641ef",
    "queryContextAtPosition(uint128)": "31bae174",
    "getEpochRange(bytes32)": "7d590708",
    "getEpochRangeHistory(uint256)": "4282b532",
    "epoch()": "900cf0cf",
    "epochStartPosition()": "93e405a0",
    "firstBlock()": "231b0268",
    "blocksPerEpoch()": "f0682054",
    "rootHistory()": "c7dd5221",
    "deployDelay()": "9bbbfdbb",
    "computeFlowRoot()": "1deb0fca",
    "initialize(address,uint256)": "cd6dc687",
    "setParams(uint256,uint256,address)": "ebdec6d3",
    "pause()": "8456cb59",
    "unpause()": "3f4ba83a",
    "paused()": "5c975abb",
}
MARKET_FUNCTIONS = {
    "pricePerSector()": "61ec5082",
    "setPricePerSector(uint256)": "14aa90a1",
    "chargeFee(uint256,uint256,uint256)": "da6eb36a",
    "flow()": "343aad82",
    "reward()": "228cb733",
    "initialize(uint256,address,address)": "b4988fd0",
}
REWARD_FUNCTIONS = {
    "fillReward(uint256,uint256)": "59e96700",
    "claimMineReward(uint256,address,bytes32)": "b7a3c04c",
    "donate()": "ed88c68e",
    "rewards(uint256)": "f301af42",
    "firstRewardableChunk()": "b3b30c1a",
    "rewardDeadline(uint256)": "0a539a19",
    "payments(address)": "e2982c21",
    "withdrawPayments(address)": "31b3eb94",
    "releaseSeconds()": "21295931",
    "baseReward()": "76ad03bc",
    "totalBaseReward()": "7f1b5e43",
    "serviceFeeRateBps()": "c0575111",
    "treasury()": "61d027b3",
    "foundationAdmin()": "7859f689",
    "setBaseReward(uint256)": "0373a23a",
    "setServiceFeeRate(uint256)": "9b1d3091",
    "setTreasury(address)": "f0f44260",
    "setFoundationAdmin(address)": "3591d79e",
    "initialize(address,address,address)": "c0c53b8b",
}
RANGE = "(uint256,uint256,uint64,uint64)"
ANSWER = f"(bytes32,bytes32,bytes32,{RANGE},uint256,uint256,bytes32,bytes32[128],bytes32[])"
MINE_FUNCTIONS = {
    "poraVersion()": "e282e27b",
    "computeWorkerContext(bytes32)": "296beba7",
    "beneficiaries(bytes32)": "39cd53ee",
    "requestMinerId(address,uint64)": "047c13f5",
    f"submit({ANSWER})": "ae722e82",
    "transferBeneficial(address,bytes32)": "b0628ee0",
    "canSubmit()": "ffbc9bd0",
    "initialize(address,address,(uint256,uint256,uint256,uint64,uint256,uint256))": "28812dbf",
    "setTargetMineBlocks(uint256)": "1600c624",
    "setTargetSubmissions(uint256)": "5bdca855",
    "setDifficultyAdjustRatio(uint256)": "704d3c96",
    "setMaxShards(uint64)": "2a02573b",
    "setMinDifficulty(uint256)": "ad08fdfb",
    "setNumSubtasks(uint256)": "0c655e1f",
    "setSubtaskInterval(uint256)": "84f96bb6",
}
MINE_NUMBERS = (
    *("targetMineBlocks", "targetSubmissions", "targetSubmissionsNextEpoch", "difficultyAdjustRatio", "maxShards", "lastMinedEpoch"),
    *(
        "currentSubmissions",
        "poraTarget",
        "minDifficulty",
        "nSubtasks",
        "nSubtasksNextEpoch",
        "subtaskInterval",
        "subtaskIntervalNextEpoch",
    ),
)


@pytest.mark.parametrize(
    ("interface", "functions"),
    [(FLOW, FLOW_FUNCTIONS), (FIXED_PRICE, MARKET_FUNCTIONS), (REWARD, REWARD_FUNCTIONS), (MINE, MINE_FUNCTIONS)],
    ids=["flow", "market", "reward", "mine"],
)
def test_every_selector_of_the_official_contracts_is_offered(interface: Interface, functions: dict[str, str]) -> None:
    offered = {signature: function.selector.hex() for signature, function in interface.functions.items()}
    assert {signature: offered.get(signature) for signature in functions} == functions


def test_what_functions_return_has_the_official_types() -> None:
    context = "(uint256,uint256,bytes32,uint256,bytes32,bytes32)"
    expected = {
        (FLOW, "getContext"): (context,),
        (FLOW, "makeContextWithResult"): (context,),
        (FLOW, "queryContextAtPosition"): ("(uint128,uint128,bytes32)",),
        (FLOW, "getEpochRangeHistory"): ("(uint128,uint128,bytes32)",),
        (FLOW, "getEpochRange"): ("(uint128,uint128)",),
        (FLOW, "tree"): ("uint256", "uint256"),
        (FLOW, "market"): ("address",),
        (FLOW, "rootHistory"): ("address",),
        (REWARD, "rewards"): ("uint128", "uint128", "uint128", "uint40", "uint40"),
        (REWARD, "firstRewardableChunk"): ("uint64", "uint256"),
    }
    for (interface, name), outputs in expected.items():
        assert interface.function(name).outputs == outputs, name
    for signature in FLOW_FUNCTIONS:
        arrays = "[]" if signature.startswith("batch") else ""
        if "ubmit(" in signature:
            assert FLOW.functions[signature].outputs == tuple(f"{kind}{arrays}" for kind in ("uint256", "bytes32", "uint256", "uint256"))


def test_what_the_mine_tells_has_the_official_names() -> None:
    outputs = {name: MINE.function(name).outputs for name in MINE_NUMBERS}
    assert all(kind.startswith("uint") for (kind,) in outputs.values())
    assert [MINE.function(name).outputs for name in ("flow", "reward", "beneficiaries")] == [("address",)] * 3
    assert [MINE.function(name).outputs for name in ("sealDataEnabled", "dataProofEnabled", "fixedDifficulty", "canSubmit")] == [
        ("bool",)
    ] * 4
    context = "(uint256,uint256,bytes32,uint256,bytes32,bytes32)"
    assert MINE.function("computeWorkerContext").outputs == (f"({context},uint256,bytes32,uint64)",)


def test_topics_are_the_official_ones() -> None:
    assert NewMinerId.TOPIC.hex() == "bfeb006f16aca8eb3d9953cf44db6b11b6f3041a313875dfa18f2e9d71bd309e"
    assert NewSubmission.TOPIC.hex() == "fedd8f58059af8fd54b4394c01ea8d07cac041988be3b5a822fb779f9c8de3a4"
    assert UpdateMinerId.TOPIC.hex().startswith("9a26a8e7")
    assert UpdateMinerId.TOPIC.hex().endswith("9bf1")
    assert Submit.TOPIC.hex() == "167ce04d2aa1981994d3a31695da0d785373335b1078cec239a1a3a2c7675555"
    assert NewEpoch.TOPIC.hex() == "bc8a3fd82465d43f1709e44ed882f7e1af0147274196ef1ec009f5d52ff4e993"
    assert DistributeReward.TOPIC.hex() == "f099de0c527342bff1397d08daae31c3de66104f48886094fbe9126a21ebf4b0"
    indexed = [[is_indexed for _, is_indexed in interface.event(name).inputs] for interface, name in EVENTS]
    assert indexed == [[True, True, False, False, False, False], [True, True, False, False, False, False], [True, True, True, False]]


EVENTS = ((FLOW, "Submit"), (FLOW, "NewEpoch"), (REWARD, "DistributeReward"))


def test_errors_are_the_official_ones() -> None:
    selectors = {error.signature: error.selector.hex() for error in FLOW.errors.values()}
    assert selectors["NotEnoughFee(uint256,uint256,uint256)"] == "f85c6482"
    assert selectors["InvalidSubmission()"] == "f956cee4"
    assert selectors["EnforcedPause()"] == "d93c0665"
    assert "UnavailableIndex(uint256)" in DIGEST_HISTORY.errors


def test_roles_and_the_empty_digest_are_the_official_ones(storage: Storage) -> None:
    pauser = "65d7a28e3265b37a6474929f336521b332c1681b933f6cb9f3376673440d862a"
    params = "b9d69e0ca90be54a40811e436234a7f7908b87ff2bec27e64f878b166da8e8e5"
    read = [(FLOW, "PAUSER_ROLE", storage.flow, pauser), (FLOW, "DEFAULT_ADMIN_ROLE", storage.flow, "00" * 32)]
    read += [(FIXED_PRICE, "PARAMS_ADMIN_ROLE", storage.market, params), (REWARD, "PARAMS_ADMIN_ROLE", storage.reward, params)]
    for interface, name, contract, role in read:
        assert storage.read(interface.function(name).encode(), to=contract).hex() == role
        granted = interface.function("hasRole").encode(bytes.fromhex(role), storage.admin.address)
        assert int.from_bytes(storage.read(granted, to=contract)) == 1
    assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    context = storage.read(FLOW.function("getContext").encode())
    first = int.from_bytes(storage.read(FLOW.function("firstBlock").encode()))
    assert context == b"".join([bytes(32), first.to_bytes(32), bytes(32), (1).to_bytes(32), keccak256(b""), keccak256(b"")])


def test_call_data_is_that_of_the_official_client() -> None:
    """Source: npm @0gfoundation/0g-ts-sdk 1.2.8."""
    words = ["20", "40", "11" * 20, "201", "60", "80", "0", "2"]
    words += ["5f4f176b8a1f76b09aa50006224b5e638d202941d2ef4f57f370305852864645", "1"]
    words += ["5292490f5faa591c2b4c55646eb4537265041f04dd7367592de505485467e2dc", "0"]
    assert submit_call(pattern_file(513), Address(b"\x11" * 20)).hex() == "bc8c11f8" + "".join(word.rjust(64, "0") for word in words)


def test_calls_come_back_from_their_bytes() -> None:
    files = [pattern_file(513), pattern_file(300000)]
    batch = FLOW.functions[f"batchSubmit(({FILE},address)[])"]
    [decoded] = batch.decode_call(batch_submit_call(files, Address(b"\x11" * 20)))
    assert decoded == [(file.to_abi(), b"\x11" * 20) for file in files]


def test_what_is_not_meant_is_refused_by_the_codecs() -> None:
    extend, refused = FLOW.function("extend"), FLOW.error("NotEnoughFee")
    with pytest.raises(DecodeError, match="is not the selector of extend"):
        extend.decode_call(FLOW.function("epoch").encode())
    with pytest.raises(DecodeError):
        extend.decode_call(extend.encode(7)[:-1])
    with pytest.raises(DecodeError, match="is not the selector of NotEnoughFee"):
        refused.decode(b"\xd9\x3c\x06\x65")
    with pytest.raises(DecodeError):
        refused.decode(refused.selector + bytes(32))
    with pytest.raises(DecodeError, match="is no log of Submit"):
        Submit.decode([NewEpoch.TOPIC], b"")
    with pytest.raises(DecodeError, match="has 3 topics, not 2"):
        Submit.decode([Submit.TOPIC, bytes(32)], b"")
