"""The compute contracts on a chain in memory, where gas is free, and the words in which tests speak with them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from tests.interop.web3py.common import MNEMONIC, artefact
from zerog._kernel import BlockEnv, CallOutcome, CallRequest, Ledger, Transaction, abi_decode, abi_encode, keccak256, secp256k1_sign
from zerog.chain.protocol.genesis import genesis_document
from zerog.chain.protocol.reverts import revert_reason
from zerog.contracts import Interface, load_artefact, load_interface
from zerog.contracts.interface import interface_of
from zerog.networks import GenesisContract, own_network
from zerog.primitives import Account, Address, Hash32, decode_data, derive_accounts

ETHER: Final = 10**18
LOCK_S: Final = 3600
LEDGER_MIN, TRANSFER_MIN = 3 * ETHER, ETHER
STAKE: Final = 100 * ETHER
INFERENCE: Final = "inference-v1.0"
CHAIN_ID: Final = 31337
GAS: Final = 16_000_000
NOBODY: Final = Address(bytes(20))
SIGNER: Final = Account.from_private_key(decode_data("0x4c0883a69102937d6231471b5dbb6204fe512961708279b7e1a8d7d7a3c2b9e3"))
"""The enclave's key of the golden vectors. Source: npm @0gfoundation/0g-compute-ts-sdk 0.9.0 with ethers 6."""

SUCCESS, PARTIAL, PROVIDER_MISMATCH, NO_TEE_SIGNER, INVALID_NONCE, INVALID_SIGNATURE = range(6)
ACCOUNTS: Final = derive_accounts(MNEMONIC, 10)


@dataclass(frozen=True, slots=True, eq=False)
class Deployed:
    """A contract and where it stands."""

    address: Address
    interface: Interface


LEDGER: Final = Deployed(Address(decode_data("0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0")), load_interface("compute", "LedgerManager"))
SERVING: Final = Deployed(Address(decode_data("0x0165878A594ca255338adfa4d48449f69242Eb8F")), load_interface("compute", "InferenceServing"))
TUNING: Final = Deployed(Address(decode_data("0xA51c1fc2f0D1a1b8494Ed1FE312d7C3a78Ed91C0")), load_interface("compute", "FineTuningServing"))
CONTRACTS: Final = {"LedgerManager": LEDGER, "InferenceServing": SERVING, "FineTuningServing": TUNING}
"""At the addresses of the golden vectors, where the official SDK looks for them on chain id 31337."""


@cache
def code_of(name: str, *arguments: int) -> bytes:
    """What a contract's constructor leaves at its address."""
    data = load_artefact("compute", name).creation_code + abi_encode(["uint256"] * len(arguments), arguments)
    chain = Ledger.open(None, genesis_document(own_network(), "prague", ACCOUNTS, {}))
    outcome = chain.call(CallRequest(sender=ACCOUNTS[0].address, data=data))
    assert isinstance(outcome, CallOutcome)
    assert outcome.status == "success"
    return bytes(outcome.output)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a transaction did."""

    gas_used: int
    events: list[tuple[Any, ...]]
    """Name and arguments of each event of these contracts, in order."""

    def named(self, name: str) -> list[tuple[Any, ...]]:
        """The arguments of the events of one name."""
        return [event[1:] for event in self.events if event[0] == name]


@dataclass(frozen=True, slots=True)
class Offer:
    """What a provider says of its service, in the order of the ABI."""

    service_type: str = "chatbot"
    url: str = "http://127.0.0.1:9000"
    model: str = "a-model"
    verifiability: str = "TeeML"
    input_price: int = 10
    output_price: int = 20
    additional_info: str = "{}"
    signer: Address = SIGNER.address

    def parameters(self) -> tuple[Any, ...]:
        return (
            *(self.service_type, self.url, self.model, self.verifiability),
            *(self.input_price, self.output_price, self.additional_info, self.signer),
        )


@dataclass(frozen=True, slots=True)
class Settlement:
    """An entry of a settlement, before it is signed."""

    user: Address
    provider: Address
    fee: int
    nonce: int
    requests_hash: bytes = b"\x11" * 32

    def digest(self, contract: Address = SERVING.address, chain_id: int = CHAIN_ID) -> bytes:
        """What the signer signs, put together here by EIP-712 and not by the contract."""
        domain_type = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
        entry_type = "TEESettlement(bytes32 requestsHash,uint256 nonce,address provider,address user,uint256 totalFee)"
        domain = abi_encode(
            ["bytes32", "bytes32", "bytes32", "uint256", "address"],
            [keccak256(text.encode()) for text in (domain_type, "0G Inference Serving", "1")] + [chain_id, contract],
        )
        entry = abi_encode(
            ["bytes32", "bytes32", "uint256", "address", "address", "uint256"],
            [keccak256(entry_type.encode()), self.requests_hash, self.nonce, self.provider, self.user, self.fee],
        )
        return keccak256(b"\x19\x01" + keccak256(domain) + keccak256(entry))

    def signed(self, by: Account = SIGNER) -> tuple[Any, ...]:
        return self.with_signature(sign(self.digest(), by))

    def with_signature(self, signature: bytes) -> tuple[Any, ...]:
        return (self.user, self.provider, self.fee, self.requests_hash, self.nonce, signature)


def sign(digest: bytes, by: Account) -> bytes:
    """r, s and 27 or 28."""
    signature = secp256k1_sign(digest, by.private_key)
    return signature[:64] + bytes([signature[64] + 27])


class RevertedError(Exception):
    """A call that reverted, with its data."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data.hex())
        self.data = data


class Market:
    """A chain in memory with ledger and serving contracts, set up by account 1 and without any user."""

    def __init__(self, ledger_min: int = LEDGER_MIN, transfer_min: int = TRANSFER_MIN) -> None:
        arguments = {"LedgerManager": (ledger_min, transfer_min)}
        contracts = {contract.address: GenesisContract(code_of(name, *arguments.get(name, ()))) for name, contract in CONTRACTS.items()}
        self.chain = Ledger.open(None, genesis_document(own_network(), "prague", ACCOUNTS, contracts))
        self.now = self.chain.head().timestamp
        self.owner, self.provider, self.user, self.other, self.stranger = ACCOUNTS[1:6]
        self._nonces = {account.address: self.chain.nonce(account.address) for account in ACCOUNTS}

    def set_up(self) -> "Market":
        """Initialise the ledger and the contract of inference and register this, by the owner."""
        self.send(self.owner, LEDGER, "initialize", self.owner.address)
        self.send(self.owner, SERVING, "initialize", LOCK_S, LEDGER.address, self.owner.address)
        self.send(self.owner, LEDGER, "registerService", "inference", "v1.0", SERVING.address, "Inference")
        return self

    # Calls

    def send(self, by: Account, to: Deployed, name: str, *arguments: Any, value: int = 0) -> Receipt:
        """Call a function in a block of its own. Raises `RevertedError`."""
        return self.transact(by, to.address, to.interface.function(name).encode(*arguments), value)

    def transact(self, by: Account, to: Address | None, data: bytes, value: int = 0, gas: int = GAS) -> Receipt:
        nonce = self._nonces[by.address]
        unsigned = Transaction(kind=2, chain_id=CHAIN_ID, nonce=nonce, gas_limit=gas, max_fee_per_gas=0, to=to, value=value, data=data)
        self.now += 1
        env = BlockEnv(timestamp=self.now, gas_limit=2 * GAS, base_fee_per_gas=0, beneficiary=NOBODY, prev_randao=bytes(32))
        executed = self.chain.execute(env, [unsigned.sign(by.private_key)])
        assert executed.dropped == []
        self._nonces[by.address] = nonce + 1
        self.chain.commit(executed)
        [receipt] = json.loads(executed.receipts_json())
        if int(receipt["status"], 16) == 0:
            raise RevertedError(self.chain.transaction_error(executed.included[0]))
        return Receipt(int(receipt["gasUsed"], 16), [found for log in receipt["logs"] if (found := _event(log))])

    def read(self, to: Deployed, name: str, *arguments: Any, by: Account | None = None) -> Any:
        """What a function returns, at the time of the next block: one value, or a tuple of several. Raises `RevertedError`."""
        function = to.interface.function(name)
        values = function.decode_result(self.view(to.address, function.encode(*arguments), by))
        return values[0] if len(values) == 1 else values

    def view(self, to: Address, data: bytes, by: Account | None = None) -> bytes:
        request = CallRequest(sender=(by or self.stranger).address, to=to, data=data, gas_cap=500_000_000)
        outcome = self.chain.call(request)
        assert isinstance(outcome, CallOutcome), outcome
        if outcome.status != "success":
            raise RevertedError(outcome.output)
        return bytes(outcome.output)

    def refusal(self, by: Account, to: Deployed, name: str, *arguments: Any, value: int = 0) -> tuple[Any, ...]:
        """Name and arguments of the error by which a transaction fails; a text where it is one. An error within `CallFailed` follows it."""
        try:
            self.send(by, to, name, *arguments, value=value)
        except RevertedError as error:
            return refusal_of(error.data)
        raise AssertionError(f"{name}{arguments} succeeded")

    def read_refusal(self, to: Deployed, name: str, *arguments: Any, by: Account | None = None) -> tuple[Any, ...]:
        """As `refusal`, of a call that leaves no trace."""
        try:
            self.read(to, name, *arguments, by=by)
        except RevertedError as error:
            return refusal_of(error.data)
        raise AssertionError(f"{name}{arguments} succeeded")

    def deploy(self, name: str, arguments: bytes = b"") -> Deployed:
        """Create a contract of contracts/testing/ by account 0."""
        creator = ACCOUNTS[0]
        compiled = artefact(f"testing/{name}")
        nonce = self._nonces[creator.address]
        self.transact(creator, None, decode_data(compiled["bytecode"]) + arguments)
        assert 0 < nonce < 128, "one byte in RLP"
        created = keccak256(b"\xd6\x94" + creator.address + bytes([nonce]))[12:]
        return Deployed(Address(created), load_testing(name))

    # What tests often do

    def pass_time(self, seconds: int) -> None:
        """Let the next block be so many seconds later than it would be."""
        self.now += seconds

    def fund(self, user: Account, provider: Account, amount: int, deposit: int | None = None) -> None:
        """Open or fill a ledger, and move `amount` wei into a sub-account."""
        self.send(user, LEDGER, "depositFund", value=max(amount, 3 * ETHER) if deposit is None else deposit)
        self.transfer(user, provider, amount)

    def transfer(self, user: Account, provider: Account, amount: int) -> Receipt:
        return self.send(user, LEDGER, "transferFund", provider.address, INFERENCE, amount)

    def retrieve(self, user: Account, *providers: Account) -> Receipt:
        return self.send(user, LEDGER, "retrieveFund", [provider.address for provider in providers], INFERENCE)

    def offer(self, provider: Account, offer: Offer | None = None, *, acknowledged: bool = True) -> None:
        self.send(provider, SERVING, "addOrUpdateService", (offer or Offer()).parameters(), value=STAKE)
        if acknowledged:
            self.send(self.owner, SERVING, "acknowledgeTEESignerByOwner", provider.address)

    def settle(self, provider: Account, *entries: tuple[Any, ...]) -> list[int]:
        """The status of each entry, as the events tell it."""
        receipt = self.send(provider, SERVING, "settleFeesWithTEE", list(entries))
        return [status for _, status, _ in receipt.named("TEESettlementResult")]

    def account(self, user: Account, provider: Account) -> "AccountView":
        return AccountView(*self.read(SERVING, "getAccount", user.address, provider.address))

    def ledger(self, user: Account) -> tuple[int, int]:
        """(available, total) of a user's ledger."""
        _, available, total, _ = self.read(LEDGER, "getLedger", user.address)
        return available, total

    def balance(self, holder: Account | Deployed) -> int:
        return self.chain.balance(holder.address)


@dataclass(frozen=True, slots=True)
class AccountView:
    """A sub-account, in the order of the ABI."""

    user: bytes
    provider: bytes
    nonce: int
    balance: int
    pending_refund: int
    refunds: Sequence[tuple[int, int, int, bool]]
    additional_info: str
    acknowledged: bool
    valid_refunds_length: int
    generation: int
    revoked_bitmap: int


def load_testing(name: str) -> Interface:
    """The interface of a contract that is not shipped."""
    return interface_of(json.dumps(artefact(f"testing/{name}")["abi"]).encode())


def refusal_of(data: bytes) -> tuple[Any, ...]:
    """What revert data says."""
    if (text := revert_reason(data)) is not None:
        return (text,)
    for contract in CONTRACTS.values():
        for error in contract.interface.errors.values():
            if error.selector != data[:4]:
                continue
            name = error.signature.split("(")[0]
            if name == "CallFailed":
                [inner] = abi_decode(["bytes"], data[4:])
                assert isinstance(inner, bytes)
                return (name, *refusal_of(inner))
            return (name, *error.decode(data))
    return (data,)


def _event(log: dict[str, Any]) -> tuple[Any, ...] | None:
    topics = [Hash32(decode_data(topic)) for topic in log["topics"]]
    for contract in CONTRACTS.values():
        if decode_data(log["address"]) != contract.address:
            continue
        for event in contract.interface.events.values():
            if event.topic == topics[0]:
                return (event.signature.split("(")[0], *event.decode(topics, decode_data(log["data"])))
    return None
