"""The contracts of DA on a chain in memory, where gas is free, with the three signers that every network of our own begins with."""

import dataclasses
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from zerog._kernel import (
    BlockEnv,
    BlockOverride,
    CallOutcome,
    CallRequest,
    Ledger,
    SimulationRefusal,
    Transaction,
    bls_aggregate_g1,
    bls_aggregate_g2,
    bls_public_key,
    bls_sign,
)
from zerog.chain.node.chain import network_accounts
from zerog.chain.protocol.genesis import genesis_document
from zerog.chain.protocol.reverts import revert_reason
from zerog.contracts import Interface
from zerog.contracts.da import (
    DA_ENTRANCE,
    DA_REGISTRY,
    DA_SIGNERS,
    G1,
    G2,
    AggregateKey,
    CommitRootSubmission,
    SampleResponse,
    SignerDetail,
    aggregate_key_call,
    decode_quorum,
    quorum_call,
    register_next_epoch_call,
    register_signer_call,
    submit_original_data_call,
    submit_sampling_response_call,
    submit_verified_commit_roots_call,
)
from zerog.contracts.da_refusals import da_refusal
from zerog.da.protocol.messages import blob_digest, epoch_digest, ownership_digest
from zerog.da.protocol.quorum import Quorum
from zerog.networks import NetworkParams, da_signer_secret, funded_role_accounts, own_network, predeployed, role_account
from zerog.primitives import Account, Address, Hash32, decode_data

ETHER: Final = 10**18
BLOCK_GAS: Final = 60_000_000
GAS: Final = 16_000_000
EPOCH_BLOCKS: Final = 100
NOBODY: Final = Address(bytes(20))
COMMITMENT: Final = G1(1, 2)
"""Any point of the curve will do where nobody looks at the rows."""
ALL: Final = (0, 1, 2)


@dataclass(frozen=True, slots=True, eq=False)
class Deployed:
    """A contract and where it stands."""

    address: Address
    interface: Interface


class RevertedError(Exception):
    """A call that reverted, with its data."""

    def __init__(self, data: bytes) -> None:
        super().__init__(reason_of(data))
        self.data = data


def reason_of(data: bytes) -> str:
    """The text of a revert, or the name of its custom error; nothing where a precompiled contract gives no reason."""
    refusal = da_refusal(data)
    return refusal.name if refusal is not None else revert_reason(data) or data.hex()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a transaction did."""

    gas_used: int
    events: list[tuple[Any, ...]]
    """Name and arguments of each event of these contracts, in order."""

    def named(self, name: str) -> list[tuple[Any, ...]]:
        """The arguments of the events of one name."""
        return [event[1:] for event in self.events if event[0] == name]


@dataclass(frozen=True)
class Signer:
    """One of those who hold rows."""

    account: Account
    secret: bytes

    @cached_property
    def keys(self) -> tuple[bytes, bytes]:
        """In G1 and in G2."""
        return bls_public_key(self.secret)

    def detail(self, socket: str = "127.0.0.1:1") -> SignerDetail:
        g1, g2 = self.keys
        return SignerDetail(signer=self.account.address, socket=socket, public_key_g1=G1.from_words(g1), public_key_g2=G2.from_words(g2))

    def owns(self, chain_id: int) -> G1:
        """Its proof that it has the secret."""
        return G1.from_words(bls_sign(self.secret, ownership_digest(self.account.address, chain_id)))

    def wants(self, epoch: int, chain_id: int) -> G1:
        """Its word that it takes part in an epoch."""
        return G1.from_words(bls_sign(self.secret, epoch_digest(self.account.address, epoch, chain_id)))


def short_epochs(network: NetworkParams, epoch_blocks: int = EPOCH_BLOCKS) -> NetworkParams:
    """The network with epochs of so many blocks."""
    return dataclasses.replace(network, rules=dataclasses.replace(network.rules, da_epoch_blocks=epoch_blocks))


@dataclass
class Da:
    """A chain in memory at its first block."""

    network: NetworkParams = field(default_factory=lambda: short_epochs(own_network()))

    def __post_init__(self) -> None:
        assert self.network.genesis is not None
        accounts, phrase = network_accounts(self.network), self.network.genesis.mnemonic
        genesis = genesis_document(self.network, "prague", (*accounts, *funded_role_accounts(self.network)), predeployed(self.network))
        self.chain = Ledger.open(None, genesis)
        where = self.network.addresses
        self.signers_contract = Deployed(where["da_signers"], DA_SIGNERS)
        self.registry = Deployed(where["da_registry"], DA_REGISTRY)
        self.entrance = Deployed(where["da_entrance"], DA_ENTRANCE)
        self.admin, self.payer, self.other, self.treasury = accounts[0], accounts[1], accounts[2], accounts[3]
        self.disperser = role_account(phrase, "da")
        accounts_of_signers = [role_account(phrase, "da", index) for index in range(1, 5)]
        *registered, self.newcomer = [Signer(account, da_signer_secret(account)) for account in accounts_of_signers]
        self.signers = tuple(registered)
        self.now = self.chain.head().timestamp

    @property
    def height(self) -> int:
        """Number of the newest block."""
        return self.chain.head().number

    # Calls

    def send(self, by: Account, to: Deployed, name: str, *arguments: Any, value: int = 0) -> Receipt:
        """Call a function in a block of its own. Raises `RevertedError`."""
        return self.transact(by, to, to.interface.function(name).encode(*arguments), value)

    def transact(self, by: Account, to: Deployed, data: bytes, value: int = 0, gas: int = GAS) -> Receipt:
        nonce, chain_id = self.chain.nonce(by.address), self.network.chain_id
        unsigned = Transaction(
            kind=2, chain_id=chain_id, nonce=nonce, gas_limit=gas, max_fee_per_gas=0, to=to.address, value=value, data=data
        )
        self.now += 1
        env = BlockEnv(timestamp=self.now, gas_limit=BLOCK_GAS, base_fee_per_gas=0, beneficiary=NOBODY, prev_randao=bytes(32))
        executed = self.chain.execute(env, [unsigned.sign(by.private_key)])
        assert executed.dropped == []
        self.chain.commit(executed)
        [receipt] = json.loads(executed.receipts_json())
        if int(receipt["status"], 16) == 0:
            raise RevertedError(self.chain.transaction_error(executed.included[0]))
        return Receipt(int(receipt["gasUsed"], 16), [found for log in receipt["logs"] if (found := self._event(log))])

    def read(self, to: Deployed, name: str, *arguments: Any) -> Any:
        """What a function returns: one value, or a tuple of several. Raises `RevertedError`."""
        function = to.interface.function(name)
        values = function.decode_result(self.view(to, function.encode(*arguments)))
        return values[0] if len(values) == 1 else values

    def view(self, to: Deployed, data: bytes) -> bytes:
        outcome = self.chain.call(CallRequest(sender=self.other.address, to=to.address, data=data))
        assert isinstance(outcome, CallOutcome), outcome
        if outcome.status != "success":
            raise RevertedError(outcome.output)
        return bytes(outcome.output)

    def series(
        self,
        sender: Address,
        calls: Sequence[tuple[Deployed, bytes]],
        overrides: Sequence[Any] = (),
        number: int | None = None,
        gas: int | None = None,
    ) -> list[tuple[str, bytes]]:
        """Calls one after the other of somebody whose key nobody has, which leave no trace: status and output of each."""
        requests = [CallRequest(sender=sender, to=to.address, data=data, gas_limit=gas) for to, data in calls]
        block = BlockOverride(number=self.height if number is None else number)
        results = self.chain.call_series([(block, list(overrides), requests)], self.height, gas_cap=100_000_000, time_limit_s=20.0)
        assert not isinstance(results, SimulationRefusal), results
        [outcomes] = results
        return [(status, output) for status, output, _ in outcomes]

    def refusal(self, by: Account, to: Deployed, name: str, *arguments: Any, value: int = 0) -> str:
        """The reason for which a transaction fails."""
        try:
            self.send(by, to, name, *arguments, value=value)
        except RevertedError as error:
            return str(error)
        raise AssertionError(f"{name}{arguments} succeeded")

    def mine(self, count: int) -> None:
        """Make so many empty blocks."""
        self.chain.make_empty(count, timestamp=self.now + 1, interval=1, gas_limit=BLOCK_GAS, beneficiary=NOBODY, extra_data=b"")
        self.now += count

    def mine_to(self, height: int) -> None:
        """Make the block of this number the newest."""
        assert height >= self.height
        if height > self.height:
            self.mine(height - self.height)

    # What tests often do

    def number(self, name: str) -> int:
        """One of the entrance's numbers."""
        return int(self.read(self.entrance, name))

    def announce(self, *roots: Hash32, by: Account | None = None, value: int | None = None) -> list[tuple[Any, ...]]:
        """Announce blobs at exactly the price; the events."""
        paid = len(roots) * self.number("blobPrice") if value is None else value
        return self.transact(by or self.disperser, self.entrance, submit_original_data_call(roots), paid).named("DataUpload")

    def quorum(self, epoch: int = 1, quorum_id: int = 0) -> Quorum:
        return Quorum(epoch, quorum_id, decode_quorum(self.view(self.signers_contract, quorum_call(epoch, quorum_id))))

    def aggregate_key(self, bitmap: bytes, epoch: int = 1, quorum_id: int = 0) -> AggregateKey:
        return AggregateKey.decode(self.view(self.signers_contract, aggregate_key_call(epoch, quorum_id, bitmap)))

    def submission(
        self,
        root: Hash32,
        by: Collection[int] = ALL,
        *,
        commitment: G1 = COMMITMENT,
        bitmap: bytes | None = None,
        quorum: Quorum | None = None,
    ) -> CommitRootSubmission:
        """What these signers' word for a blob looks like."""
        quorum = quorum or self.quorum()
        signing = [self.signers[index] for index in by]
        digest = blob_digest(root, quorum.epoch, quorum.quorum_id, commitment.words)
        signature = bls_aggregate_g1([bls_sign(signer.secret, digest) for signer in signing])
        return CommitRootSubmission(
            data_root=root,
            epoch=quorum.epoch,
            quorum_id=quorum.quorum_id,
            erasure_commitment=commitment,
            quorum_bitmap=quorum.bitmap([signer.account.address for signer in signing]) if bitmap is None else bitmap,
            aggregate_key=G2.from_words(bls_aggregate_g2([signer.keys[1] for signer in signing])),
            signature=G1.from_words(signature),
        )

    def confirm(self, submissions: Iterable[CommitRootSubmission]) -> Receipt:
        return self.transact(self.other, self.entrance, submit_verified_commit_roots_call(list(submissions)))

    def confirmation_refusal(self, submission: CommitRootSubmission) -> str:
        """The reason for which a blob is not confirmed."""
        try:
            self.confirm([submission])
        except RevertedError as error:
            return str(error)
        raise AssertionError("it was confirmed")

    def is_confirmed(self, root: Hash32, epoch: int = 1, quorum_id: int = 0) -> bool:
        return bool(self.read(self.entrance, "commitmentExists", root, epoch, quorum_id))

    def register(self, signer: Signer) -> Receipt:
        """Make somebody a signer."""
        return self.transact(signer.account, self.registry, register_signer_call(signer.detail(), signer.owns(self.network.chain_id)))

    def register_all(self) -> None:
        """Let the signers take part in the next epoch."""
        epoch = int(self.read(self.signers_contract, "epochNumber")) + 1
        for signer in self.signers:
            call = register_next_epoch_call(signer.wants(epoch, self.network.chain_id))
            self.transact(signer.account, self.registry, call)

    def next_epoch(self) -> None:
        """Go on to the next epoch, in which all three signers take part."""
        self.register_all()
        self.mine(EPOCH_BLOCKS)
        self.send(self.other, self.entrance, "sync")

    def next_round(self) -> Hash32:
        """Go on to the next round of sampling; its seed."""
        self.mine_to(self.number("nextSampleHeight"))
        self.send(self.other, self.entrance, "sync")
        return Hash32(self.read(self.entrance, "currentSampleSeed"))

    def sample(self, response: SampleResponse) -> Receipt:
        return self.transact(self.other, self.entrance, submit_sampling_response_call(response))

    def sample_refusal(self, response: SampleResponse) -> str:
        """The reason for which a sample is not taken; nothing is left behind."""
        try:
            self.view(self.entrance, submit_sampling_response_call(response))
        except RevertedError as error:
            return str(error)
        raise AssertionError("it was taken")

    def _event(self, log: dict[str, Any]) -> tuple[Any, ...] | None:
        topics = [Hash32(decode_data(topic)) for topic in log["topics"]]
        for contract in (self.signers_contract, self.registry, self.entrance):
            if decode_data(log["address"]) != contract.address:
                continue
            for event in contract.interface.events.values():
                if event.topic == topics[0]:
                    return (event.signature.split("(")[0], *event.decode(topics, decode_data(log["data"])))
        return None


def root_of(number: int) -> Hash32:
    """A data root that nothing lies behind."""
    return Hash32(number.to_bytes(32))
