"""The rules of a chain at a time, against the sample of EIP-7910, the official test and the fork ids of a public network."""

from dataclasses import replace
from typing import Any

from zerog.chain.protocol.fork_config import ChainStart, fork_configs

PRAGUE_TIME = 1_742_999_832
HOODI = ChainStart(
    {
        "chainId": 560_048,
        "homesteadBlock": 0,
        "londonBlock": 0,
        "shanghaiTime": 0,
        "cancunTime": 0,
        "pragueTime": PRAGUE_TIME,
        "depositContractAddress": "0x00000000219ab540356cBB839Cbe05303d7705Fa",
        "blobSchedule": {
            "cancun": {"target": 3, "max": 6, "baseFeeUpdateFraction": 3_338_477},
            "prague": {"target": 6, "max": 9, "baseFeeUpdateFraction": 5_007_716},
        },
    },
    bytes.fromhex("bbe312868b376a3001692a646dd2d7d1e4406380dfd86b98aa8a34d1557c971b"),
    1_742_212_800,
)
"""Source: eth-clients/hoodi, metadata/genesis.json."""

CANCUN_PRECOMPILES = {
    "BLAKE2F": "0x0000000000000000000000000000000000000009",
    "BN254_ADD": "0x0000000000000000000000000000000000000006",
    "BN254_MUL": "0x0000000000000000000000000000000000000007",
    "BN254_PAIRING": "0x0000000000000000000000000000000000000008",
    "ECREC": "0x0000000000000000000000000000000000000001",
    "ID": "0x0000000000000000000000000000000000000004",
    "KZG_POINT_EVALUATION": "0x000000000000000000000000000000000000000a",
    "MODEXP": "0x0000000000000000000000000000000000000005",
    "RIPEMD160": "0x0000000000000000000000000000000000000003",
    "SHA256": "0x0000000000000000000000000000000000000002",
}
PRAGUE_PRECOMPILES = CANCUN_PRECOMPILES | {
    "BLS12_G1ADD": "0x000000000000000000000000000000000000000b",
    "BLS12_G1MSM": "0x000000000000000000000000000000000000000c",
    "BLS12_G2ADD": "0x000000000000000000000000000000000000000d",
    "BLS12_G2MSM": "0x000000000000000000000000000000000000000e",
    "BLS12_MAP_FP2_TO_G2": "0x0000000000000000000000000000000000000011",
    "BLS12_MAP_FP_TO_G1": "0x0000000000000000000000000000000000000010",
    "BLS12_PAIRING_CHECK": "0x000000000000000000000000000000000000000f",
}
OSAKA_PRECOMPILES = PRAGUE_PRECOMPILES | {"P256VERIFY": "0x0000000000000000000000000000000000000100"}
PRAGUE_CONTRACTS = {
    "BEACON_ROOTS_ADDRESS": "0x000f3df6d732807ef1319fb7b8bb8522d0beac02",
    "CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS": "0x0000bbddc7ce488642fb579f8b00f3a590007251",
    "DEPOSIT_CONTRACT_ADDRESS": "0x00000000219ab540356cbb839cbe05303d7705fa",
    "HISTORY_STORAGE_ADDRESS": "0x0000f90827f1c53a10cb7a02335b175320002935",
    "WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS": "0x00000961ef480eb55e80d19ad83579a64c007002",
}
HOODI_CANCUN = {
    "activationTime": 0,
    "blobSchedule": {"baseFeeUpdateFraction": 3_338_477, "max": 6, "target": 3},
    "chainId": "0x88bb0",
    "forkId": "0xbef71d30",
    "precompiles": CANCUN_PRECOMPILES,
    "systemContracts": {"BEACON_ROOTS_ADDRESS": "0x000f3df6d732807ef1319fb7b8bb8522d0beac02"},
}
HOODI_PRAGUE = {
    "activationTime": PRAGUE_TIME,
    "blobSchedule": {"baseFeeUpdateFraction": 5_007_716, "max": 9, "target": 6},
    "chainId": "0x88bb0",
    "forkId": "0x0929e24e",
    "precompiles": PRAGUE_PRECOMPILES,
    "systemContracts": PRAGUE_CONTRACTS,
}
"""Source of both: EIP-7910, "Sample Configs"."""


def with_rules(**changes: object) -> ChainStart:
    return replace(HOODI, configuration={**HOODI.configuration, **changes})


def current(start: ChainStart, now: int) -> dict[str, Any]:
    config = fork_configs(start, now)["current"]
    assert isinstance(config, dict)
    return config


def members_in_order(value: object) -> bool:
    """Whether the members of all objects stand in alphabetical order, as the EIP wants them."""
    return not isinstance(value, dict) or (list(value) == sorted(value) and all(map(members_in_order, value.values())))


def test_a_fork_to_come_is_told_as_in_the_sample() -> None:
    answer = fork_configs(HOODI, PRAGUE_TIME - 1)
    assert answer == {"current": HOODI_CANCUN, "next": HOODI_PRAGUE, "last": HOODI_PRAGUE}
    assert all(map(members_in_order, answer.values()))


def test_nothing_comes_after_the_last_known_rules() -> None:
    assert fork_configs(HOODI, PRAGUE_TIME) == {"current": HOODI_PRAGUE, "next": None, "last": None}


def test_forks_of_blob_parameters_alone_change_nothing_else() -> None:
    """The newest rules are those of the official test. Source: ethereum/execution-apis, tests/eth_config/get-config.io."""
    schedule: dict[str, object] = {
        "bpo1": {"target": 10, "max": 15, "baseFeeUpdateFraction": 8_346_193},
        "bpo2": {"target": 14, "max": 21, "baseFeeUpdateFraction": 11_684_671},
    }
    start = with_rules(osakaTime=PRAGUE_TIME + 30, bpo1Time=PRAGUE_TIME + 60, bpo2Time=PRAGUE_TIME + 90, blobSchedule=schedule)
    osaka, first, second = (current(start, PRAGUE_TIME + after) for after in (30, 60, 90))
    assert [config["activationTime"] - PRAGUE_TIME for config in (osaka, first, second)] == [30, 60, 90]
    assert [config["blobSchedule"]["target"] for config in (osaka, first, second)] == [6, 10, 14]
    assert second["blobSchedule"] == {"baseFeeUpdateFraction": 11_684_671, "max": 21, "target": 14}
    assert osaka["precompiles"] == first["precompiles"] == second["precompiles"] == OSAKA_PRECOMPILES
    assert osaka["systemContracts"] == first["systemContracts"] == second["systemContracts"] == PRAGUE_CONTRACTS
    assert len({config["forkId"] for config in (osaka, first, second)}) == 3
    answer = fork_configs(start, PRAGUE_TIME + 30)
    assert (answer["next"], answer["last"]) == (first, second)


def test_a_fork_without_blob_parameters_in_the_genesis_has_its_own() -> None:
    for schedule in ({}, {"bpo1": {"target": 10, "max": 15, "baseFeeUpdateFraction": 8_346_193}}):
        start = with_rules(blobSchedule=schedule)
        assert current(start, PRAGUE_TIME - 1)["blobSchedule"] == HOODI_CANCUN["blobSchedule"]
        assert current(start, PRAGUE_TIME)["blobSchedule"] == HOODI_PRAGUE["blobSchedule"]


def test_rules_from_the_first_block_on_are_active_since_0() -> None:
    start = with_rules(pragueTime=HOODI.genesis_timestamp)
    assert current(start, PRAGUE_TIME)["activationTime"] == 0
    assert current(start, PRAGUE_TIME)["precompiles"] == PRAGUE_PRECOMPILES


def test_before_cancun_there_are_neither_blobs_nor_system_contracts() -> None:
    config = current(with_rules(cancunTime=PRAGUE_TIME, pragueTime=None), 0)
    assert config["blobSchedule"] is None
    assert "systemContracts" not in config
    assert "KZG_POINT_EVALUATION" not in config["precompiles"]


def test_the_contracts_of_0g_are_named_where_they_are() -> None:
    rules: list[tuple[dict[str, object], set[str]]] = [
        ({"wrappedBase": True}, {"WRAPPED_A0GI_BASE"}),
        ({"wrappedBase": False, "daEpochBlocks": None}, set()),
        ({"wrappedBase": False, "daEpochBlocks": 16}, {"DA_SIGNERS"}),
        ({"wrappedBase": True, "daEpochBlocks": 16}, {"DA_SIGNERS", "WRAPPED_A0GI_BASE"}),
    ]
    for given, names in rules:
        assert set(current(with_rules(zeroGravity=given), PRAGUE_TIME)["precompiles"]) - set(PRAGUE_PRECOMPILES) == names
