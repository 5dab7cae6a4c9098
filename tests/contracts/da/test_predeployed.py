"""The contracts of DA that a chain of our own begins with: set up as its network says, with three signers of equal weight."""

from collections import Counter

import pytest

from tests.contracts.da.entrance import ETHER, Da, root_of
from zerog.contracts.da import SignersParams, decode_signers, signers_call
from zerog.networks import NetworkParams, own_network, role_account

NETWORKS = {
    "31337": own_network(),
    "another id": own_network(chain_id=99),
    "galileo": own_network("galileo"),
    "mainnet": own_network("mainnet"),
}


@pytest.fixture(scope="module", params=NETWORKS)
def start(request: pytest.FixtureRequest) -> Da:
    return Da(NETWORKS[request.param])


def params_of(network: NetworkParams) -> dict[str, int]:
    assert network.da is not None
    return {
        "blobPrice": network.da.blob_price_wei,
        "epochWindowSize": network.da.epoch_window,
        "samplePeriod": network.da.sample_period_blocks,
        "nextSampleHeight": network.da.sample_period_blocks,
        "targetRoundSubmissionsNext": network.da.target_submissions,
        "rewardRatio": network.da.reward_ratio,
        "baseReward": network.da.base_reward_wei,
        "serviceFeeRateBps": network.da.service_fee_bps,
    }


def test_the_entrance_is_set_as_its_network_says(start: Da) -> None:
    expected = params_of(start.network)
    assert {name: start.number(name) for name in expected} == expected
    assert start.number("podasTarget") == start.number("MAX_PODAS_TARGET") == (2**256 - 1) // 128
    for name in ("currentEpoch", "sampleRound", "roundSubmissions", "targetRoundSubmissions", "serviceFee", "activedReward"):
        assert start.number(name) == 0
    assert start.read(start.entrance, "DA_SIGNERS") == start.signers_contract.address
    assert (start.number("SLICE_NUMERATOR"), start.number("SLICE_DENOMINATOR")) == (2, 3)


def test_copies_of_public_networks_have_what_the_contract_begins_with() -> None:
    for name in ("galileo", "mainnet"):
        assert params_of(NETWORKS[name]) == {
            "blobPrice": 0,
            "epochWindowSize": 300,
            "samplePeriod": 30,
            "nextSampleHeight": 30,
            "targetRoundSubmissionsNext": 20,
            "rewardRatio": 1_200_000,
            "baseReward": 0,
            "serviceFeeRateBps": 0,
        }


def test_account_0_is_the_administrator_and_nobody_can_set_up_again(start: Da) -> None:
    params_role = bytes.fromhex("b9d69e0ca90be54a40811e436234a7f7908b87ff2bec27e64f878b166da8e8e5")
    assert start.read(start.entrance, "PARAMS_ADMIN_ROLE") == params_role
    for role in (bytes(32), params_role):
        assert start.read(start.entrance, "getRoleMemberCount", role) == 1
        assert start.read(start.entrance, "getRoleMember", role, 0) == start.admin.address
    assert start.read(start.registry, "owner") == start.admin.address
    for contract in (start.entrance, start.registry):
        [(status, output)] = start.series(start.admin.address, [(contract, contract.interface.function("initialize").encode())])
        assert (status, output) == ("revert", contract.interface.error("InvalidInitialization").selector)


def test_three_signers_are_registered_for_the_first_epoch_with_keys_that_everybody_can_derive(start: Da) -> None:
    assert start.network.genesis is not None
    addresses = [role_account(start.network.genesis.mnemonic, "da", index).address for index in range(1, 4)]
    details = decode_signers(start.view(start.signers_contract, signers_call(addresses)))
    assert details == [signer.detail(f"127.0.0.1:{34010 + index}") for index, signer in enumerate(start.signers)]
    for address in addresses:
        assert start.read(start.signers_contract, "registeredEpoch", address, 1) is True
        assert start.chain.balance(address) // (30 * ETHER) == 256
    assert start.read(start.signers_contract, "isSigner", start.newcomer.account.address) is False
    assert start.read(start.signers_contract, "epochNumber") == 0


@pytest.mark.parametrize("name", NETWORKS)
def test_the_first_blob_makes_the_first_epoch_whose_rows_belong_to_three_signers_alike(name: str) -> None:
    da = Da(NETWORKS[name])
    price = da.number("blobPrice")
    [(sender, root, epoch, quorum_id, told)] = da.announce(root_of(7))
    assert (sender, root, epoch, quorum_id, told) == (da.disperser.address, root_of(7), 1, 0, price)
    assert da.height == 1
    assert da.read(da.signers_contract, "quorumCount", 1) == 1
    owners = Counter(da.quorum().members)
    assert owners == {signer.account.address: 1024 for signer in da.signers}
    assert (
        SignersParams.decode(da.view(da.signers_contract, da.signers_contract.interface.function("params").encode())).encoded_slices == 3072
    )
    da.confirm([da.submission(root_of(7))])
    assert da.is_confirmed(root_of(7))
