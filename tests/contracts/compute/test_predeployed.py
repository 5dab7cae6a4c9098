"""The contracts of compute that a chain of our own begins with: where they stand, who may do what, and that they work at once."""

import pytest

from zerog._kernel import CallOutcome, CallRequest, Ledger
from zerog.chain.node.chain import network_accounts
from zerog.chain.protocol.genesis import genesis_document
from zerog.contracts.compute import FINE_TUNING_SERVING, INFERENCE_SERVING, LEDGER_MANAGER, RegisteredService
from zerog.contracts.interface import AbiValue, Interface
from zerog.networks import NetworkParams, own_network, predeployed, role_account
from zerog.primitives import Address

NETWORKS = {
    "31337": own_network(),
    "another id": own_network(chain_id=99),
    "galileo": own_network("galileo"),
    "mainnet": own_network("mainnet"),
}
CONTRACTS = (
    ("ledger_manager", LEDGER_MANAGER),
    ("inference_serving", INFERENCE_SERVING),
    ("fine_tuning_serving", FINE_TUNING_SERVING),
)


class Start:
    """The first block of a network."""

    def __init__(self, network: NetworkParams) -> None:
        assert network.genesis is not None
        self.network = network
        self.owner = role_account(network.genesis.mnemonic, "compute", 1).address
        accounts = network_accounts(network)
        self.chain = Ledger.open(None, genesis_document(network, "prague", accounts, predeployed(network)))
        self.user = accounts[1].address
        self.ledger, self.inference, self.tuning = (network.addresses[name] for name, _ in CONTRACTS)

    def outcome(self, to: Address, data: bytes, value: int = 0) -> CallOutcome:
        outcome = self.chain.call(CallRequest(sender=self.user, to=to, data=data, value=value))
        assert isinstance(outcome, CallOutcome)
        assert outcome.status == "success", outcome.output.hex()
        return outcome

    def read(self, to: Address, interface: Interface, name: str, *arguments: AbiValue) -> object:
        function = interface.function(name)
        values = function.decode_result(self.outcome(to, function.encode(*arguments)).output)
        return values[0] if len(values) == 1 else values


@pytest.fixture(scope="module", params=NETWORKS)
def start(request: pytest.FixtureRequest) -> Start:
    return Start(NETWORKS[request.param])


def test_they_are_set_up_and_belong_to_the_owner_of_compute(start: Start) -> None:
    params = start.network.compute
    assert params is not None
    for address, interface in zip((start.ledger, start.inference, start.tuning), (item[1] for item in CONTRACTS), strict=True):
        assert start.read(address, interface, "initialized") is True
        assert start.read(address, interface, "owner") == start.owner
    for address, interface in ((start.inference, INFERENCE_SERVING), (start.tuning, FINE_TUNING_SERVING)):
        assert start.read(address, interface, "lockTime") == params.lock_time_s
        assert start.read(address, interface, "ledgerAddress") == start.ledger
    assert start.read(start.tuning, FINE_TUNING_SERVING, "penaltyPercentage") == params.penalty_percentage == 30
    assert start.read(start.ledger, LEDGER_MANAGER, "MIN_ACCOUNT_BALANCE") == params.min_account_balance_wei
    assert start.read(start.ledger, LEDGER_MANAGER, "MIN_TRANSFER_AMOUNT") == params.min_transfer_wei


def test_both_services_are_registered_and_recommended(start: Start) -> None:
    assert start.network.genesis is not None
    expected = (("inference", "v1.0", start.inference), ("fine-tuning", "v1.1", start.tuning))
    for service_type, version, address in expected:
        data = start.outcome(start.ledger, LEDGER_MANAGER.function("getServiceInfo").encode(address)).output
        service = RegisteredService.decode(data)
        assert (service.address, service.full_name, service.is_recommended) == (address, f"{service_type}-{version}", True)
        assert service.registered_at == start.network.genesis.timestamp
        assert start.read(start.ledger, LEDGER_MANAGER, "getRecommendedService", service_type) == (version, address)


def test_a_chain_without_blocks_takes_deposits(start: Start) -> None:
    start.outcome(start.ledger, LEDGER_MANAGER.function("depositFund").encode(), 3 * 10**18)


def test_least_amounts_are_those_of_the_network_that_is_copied() -> None:
    """Those of the local network are what the official compute SDK 0.9.0 asks for everywhere."""
    found = {
        name: (network.compute.min_account_balance_wei, network.compute.min_transfer_wei)
        for name, network in NETWORKS.items()
        if network.compute is not None
    }
    of_main, of_test = (3 * 10**18, 10**18), (10**17, 10**16)
    assert found == {"31337": of_main, "another id": of_main, "galileo": of_test, "mainnet": of_main}


def test_local_locks_money_as_short_as_the_contracts_allow() -> None:
    seconds = {name: network.compute.lock_time_s for name, network in NETWORKS.items() if network.compute is not None}
    assert seconds == {"31337": 3600, "another id": 3600, "galileo": 86_400, "mainnet": 86_400}
