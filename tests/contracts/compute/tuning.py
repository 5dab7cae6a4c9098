"""A market with a provider that trains models, and the words in which tests speak of it."""

from dataclasses import dataclass, replace
from typing import Any, Final

from tests.contracts.compute.market import CHAIN_ID, ETHER, LEDGER, LOCK_S, SIGNER, STAKE, TUNING, Market, Receipt, sign
from zerog._kernel import abi_encode, keccak256
from zerog.contracts.fine_tuning import Deliverable, FineTuningAccount, FineTuningService, FineTuningSettlement, Quota
from zerog.primitives import Account, Address, Wei

NAME: Final = "fine-tuning-v1.1"
PENALTY: Final = 30
ROOT: Final = b"\x22" * 32
SECRET: Final = b"\x33" * 129
"""As long as the key of a model, encrypted for its user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What a user owes for a model, before it is signed."""

    user: Address
    id: str = "task-1"
    secret: bytes = b""
    root: bytes = ROOT
    nonce: int = 1
    fee: int = 1000

    def digest(self) -> bytes:
        """What the signer signs, put together here by EIP-712 and not by the contract."""
        domain_type = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
        entry_type = "VerifierMessage(string id,bytes encryptedSecret,bytes modelRootHash,uint256 nonce,uint256 taskFee,address user)"
        domain = abi_encode(
            ["bytes32", "bytes32", "bytes32", "uint256", "address"],
            [keccak256(text.encode()) for text in (domain_type, "0G Fine-Tuning Serving", "1")] + [CHAIN_ID, TUNING.address],
        )
        hashes = [keccak256(part) for part in (entry_type.encode(), self.id.encode(), self.secret, self.root)]
        entry = abi_encode(["bytes32"] * 4 + ["uint256", "uint256", "address"], [*hashes, self.nonce, self.fee, self.user])
        return keccak256(b"\x19\x01" + keccak256(domain) + keccak256(entry))

    def signed(self, by: Account = SIGNER) -> FineTuningSettlement:
        return self.with_signature(sign(self.digest(), by))

    def with_signature(self, signature: bytes) -> FineTuningSettlement:
        return FineTuningSettlement(
            id=self.id,
            encrypted_secret=self.secret,
            model_root_hash=self.root,
            nonce=self.nonce,
            signature=signature,
            task_fee_wei=Wei(self.fee),
            user=self.user,
        )


class TuningMarket(Market):
    """The market with the contract of fine-tuning set up and registered."""

    def set_up(self) -> "TuningMarket":
        super().set_up()
        self.send(self.owner, TUNING, "initialize", LOCK_S, LEDGER.address, self.owner.address, PENALTY)
        self.send(self.owner, LEDGER, "registerService", "fine-tuning", "v1.1", TUNING.address, "Fine-tuning")
        return self

    def service(self, **changes: Any) -> FineTuningService:
        """What the provider says, with `changes`."""
        offer = FineTuningService(
            provider=self.provider.address,
            url="http://127.0.0.1:9001",
            quota=Quota(cpu_count=2, node_memory=8, gpu_count=0, node_storage=50, gpu_type="none"),
            price_per_token_wei=Wei(7),
            is_occupied=False,
            models=("Qwen2.5-0.5B-Instruct", "a longer name of a model that needs more than one word"),
            signer=SIGNER.address,
        )
        return replace(offer, **changes)

    def open(self, *, balance: int = 10 * ETHER) -> "TuningMarket":
        """A service that the owner accepted, and a user with money there."""
        self.transact(self.provider, TUNING.address, self.service().call(), STAKE)
        self.send(self.owner, TUNING, "acknowledgeTEESignerByOwner", self.provider.address)
        self.send(self.user, LEDGER, "depositFund", value=max(3 * ETHER, balance))
        self.send(self.user, LEDGER, "transferFund", self.provider.address, NAME, balance)
        return self

    def deliver(self, task: str = "task-1", root: bytes = ROOT, user: Account | None = None) -> Receipt:
        return self.send(self.provider, TUNING, "addDeliverable", (user or self.user).address, task, root)

    def acknowledge(self, task: str = "task-1") -> Receipt:
        return self.send(self.user, TUNING, "acknowledgeDeliverable", self.provider.address, task)

    def abandon(self, task: str = "task-1") -> Receipt:
        return self.send(self.provider, TUNING, "abandonDeliverable", self.user.address, task)

    def bill(self, **changes: Any) -> Bill:
        return Bill(user=self.user.address, **changes)

    def collect(self, settlement: FineTuningSettlement) -> Receipt:
        return self.transact(self.provider, TUNING.address, settlement.call())

    def tuning_account(self) -> FineTuningAccount:
        function = TUNING.interface.function("getAccount")
        return FineTuningAccount.decode(self.view(TUNING.address, function.encode(self.user.address, self.provider.address)))

    def deliverables(self) -> list[Deliverable]:
        function = TUNING.interface.function("getDeliverables")
        return Deliverable.decode_all(self.view(TUNING.address, function.encode(self.user.address, self.provider.address)))
