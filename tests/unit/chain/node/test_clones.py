"""Local copies of the public networks: their chain id and contracts, and what keeps them apart from the real ones."""

from collections.abc import Iterator

import pytest

from tests.unit.chain.node.conftest import ACCOUNTS, Running, run_node, text
from tests.unit.chain.node.test_transactions import sign_authorization
from zerog.chain.node.settings import ChainNodeSettings, SettingsError
from zerog.devnet.settings import DevnetSettings, SettingsInvalidError
from zerog.networks import load, own_network
from zerog.primitives import Account, derive_accounts
from zerog.sdk import resolve

STRANGER: Account = derive_accounts("legal winner thank year wave sausage worth useful legal winner thank yellow", 1)[0]


@pytest.fixture(scope="module")
def clone() -> Iterator[Running]:
    yield from run_node(ChainNodeSettings(rpc_port=0, like="galileo", allow_unprotected=True), own_network("galileo"))


def test_it_has_the_chain_id_the_rules_and_the_contracts_of_the_public_network(clone: Running) -> None:
    assert clone.rpc("eth_chainId") == hex(16_602)
    assert clone.rpc("net_version") == "16602"
    for name, address in load("galileo").addresses.items():
        code = clone.rpc("eth_getCode", text(address), "latest")
        # Behind the first stands no code but a mark, as on the public network: it is precompiled.
        assert code == "0x01" if name == "da_signers" else len(code) > 100, name
    receipt = clone.rpc("eth_getTransactionReceipt", clone.send(ACCOUNTS[1], gas_limit=100_000))
    assert receipt["gasUsed"] == hex(80_000)
    assert clone.nonce(ACCOUNTS[0]) == 0


def test_every_answer_about_itself_ends_in_clone(clone: Running) -> None:
    assert clone.rpc("web3_clientVersion").endswith(" galileo-clone")
    assert clone.rpc("anvil_nodeInfo")["network"] == "galileo-clone"
    assert clone.rpc("anvil_metadata")["clientVersion"].endswith(" galileo-clone")
    assert clone.node.status()["network"] == "galileo-clone"


@pytest.mark.parametrize(
    "changes", [{}, {"kind": 0, "max_priority_fee_per_gas": None}, {"kind": 0, "chain_id": None, "max_priority_fee_per_gas": None}]
)
def test_a_key_that_is_not_listed_is_refused(clone: Running, changes: dict[str, object]) -> None:
    clone.rpc("anvil_setBalance", text(STRANGER.address), hex(10**18))
    raw = clone.raw(STRANGER, **{"nonce": 0} | changes)
    for method in ("eth_sendRawTransaction", "eth_sendRawTransactionSync"):
        refusal = clone.refusal(method, raw)
        assert refusal.code == -32000
        assert refusal.message == (f"only listed test keys may sign on a clone of a public network, and {STRANGER.address} is none of them")
    assert clone.rpc("txpool_status") == {"pending": "0x0", "queued": "0x0"}
    assert clone.nonce(STRANGER) == 0


@pytest.mark.parametrize("chain_id", [0, 16_602])
def test_a_delegation_by_a_key_that_is_not_listed_is_refused_too(clone: Running, chain_id: int) -> None:
    """Also one for any chain, which the public network would take as well."""
    delegation = sign_authorization(STRANGER, bytes(20), 0, chain_id)
    raw = clone.raw(ACCOUNTS[1], kind=4, gas_limit=100_000, authorization_list=[delegation])
    assert "only listed test keys may sign" in clone.refusal("eth_sendRawTransaction", raw).message
    own = sign_authorization(ACCOUNTS[2], bytes(20), clone.nonce(ACCOUNTS[2]), chain_id)
    sent = clone.send(ACCOUNTS[1], kind=4, gas_limit=100_000, authorization_list=[own])
    assert clone.rpc("eth_getTransactionReceipt", sent)["status"] == "0x1"


def test_no_other_way_into_a_block_takes_a_key_that_is_not_listed(clone: Running) -> None:
    clone.rpc("anvil_setBalance", text(STRANGER.address), hex(10**18))
    clone.rpc("evm_mine")
    raw = clone.raw(STRANGER, nonce=0)
    assert "only listed test keys may sign" in clone.refusal("anvil_reorg", 1, [[raw, 0]]).message
    batch = [{"jsonrpc": "2.0", "id": index, "method": "eth_sendRawTransaction", "params": [raw]} for index in range(3)]
    assert all("only listed test keys may sign" in answer["error"]["message"] for answer in clone.post(batch))
    unlocked = {"from": text(STRANGER.address), "to": text(STRANGER.address)}
    for method in ("eth_sendTransaction", "eth_signTransaction", "eth_sendTransactionSync"):
        assert clone.refusal(method, unlocked).message == f"unknown account {STRANGER.address}"
    assert clone.nonce(STRANGER, "pending") == 0


def test_who_is_impersonated_signs_nothing_and_may_send(clone: Running) -> None:
    stranger = text(STRANGER.address)
    clone.rpc("anvil_setBalance", stranger, hex(10**18))
    clone.rpc("anvil_impersonateAccount", stranger)
    sent = clone.rpc("eth_sendTransaction", {"from": stranger, "to": stranger})
    raw = clone.rpc("eth_getRawTransactionByHash", sent)
    # Its bytes carry no signature that others would take.
    assert clone.refusal("eth_sendRawTransaction", raw).message == "invalid sender: invalid transaction v, r, s values"
    clone.rpc("anvil_stopImpersonatingAccount", stranger)


def test_all_listed_keys_may_send(clone: Running) -> None:
    for account in ACCOUNTS:
        assert clone.rpc("eth_getTransactionReceipt", clone.send(account))["status"] == "0x1"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org"])  # noqa: S104 - it is refused.
def test_it_listens_on_this_machine_alone(host: str) -> None:
    with pytest.raises(SettingsError, match="stays on this machine"):
        ChainNodeSettings(like="mainnet", host=host)
    with pytest.raises(SettingsInvalidError, match="stays on this machine"):
        DevnetSettings(like="mainnet", host=host)
    assert DevnetSettings(like="mainnet", host="::1").like == "mainnet"


def test_its_rules_are_not_for_choosing() -> None:
    with pytest.raises(SettingsError, match="rules"):
        ChainNodeSettings(like="mainnet", rules="ethereum")
    with pytest.raises(SettingsInvalidError, match="rules"):
        DevnetSettings(like="mainnet", rules="ethereum")


def test_a_public_name_always_means_the_public_network() -> None:
    assert resolve("galileo").chain_url == "https://evmrpc-testnet.0g.ai"
    assert resolve("mainnet").chain_url == "https://evmrpc.0g.ai"
    assert own_network("mainnet").rpc_url is None
    assert own_network("mainnet").name == "mainnet-clone"
    assert own_network("mainnet").chain_id == 16_661
