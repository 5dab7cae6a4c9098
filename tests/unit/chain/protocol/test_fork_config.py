"""The rules of a chain at a time, against the fork ids of a public network."""

from zerog.chain.protocol.fork_config import ChainStart, fork_configs

HOODI = ChainStart(
    {
        "chainId": 560_048,
        "homesteadBlock": 0,
        "londonBlock": 0,
        "shanghaiTime": 0,
        "cancunTime": 0,
        "pragueTime": 1_742_999_832,
        "depositContractAddress": "0x00000000219ab540356cBB839Cbe05303d7705Fa",
        "blobSchedule": {
            "cancun": {"target": 3, "max": 6, "baseFeeUpdateFraction": 3_338_477},
            "prague": {"target": 6, "max": 9, "baseFeeUpdateFraction": 5_007_716},
        },
    },
    bytes.fromhex("bbe312868b376a3001692a646dd2d7d1e4406380dfd86b98aa8a34d1557c971b"),
    1_742_212_800,
)
"""Source: eth-clients/hoodi, metadata/genesis.json; expected values: EIP-7910, "Sample"."""


def test_the_fork_ids_are_those_of_the_public_network() -> None:
    answer = fork_configs(HOODI, 1_742_212_800)
    assert [answer[name]["forkId"] for name in ("current", "next", "last")] == ["0xbef71d30", "0x0929e24e", "0x0929e24e"]  # type: ignore[index]


def test_nothing_comes_after_the_last_known_rules() -> None:
    answer = fork_configs(HOODI, 1_800_000_000)
    assert (answer["next"], answer["last"]) == (None, None)
    assert answer["current"]["activationTime"] == 1_742_999_832  # type: ignore[index]


def test_each_fork_adds_its_contracts() -> None:
    before, after = (fork_configs(HOODI, time)["current"] for time in (1_742_212_800, 1_742_999_832))
    assert set(after["precompiles"]) - set(before["precompiles"]) >= {"BLS12_G1ADD", "BLS12_MAP_FP2_TO_G2"}  # type: ignore[index]
    assert list(before["systemContracts"]) == ["BEACON_ROOTS_ADDRESS"]  # type: ignore[index]
    assert after["systemContracts"]["DEPOSIT_CONTRACT_ADDRESS"] == "0x00000000219ab540356cbb839cbe05303d7705fa"  # type: ignore[index]
