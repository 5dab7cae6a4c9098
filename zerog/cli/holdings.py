"""What an address owns on every layer of a network, read from its chain alone: nothing is sent and nothing signed."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from zerog import networks
from zerog.chain.client import ChainClient, RpcError
from zerog.contracts.interface import AbiValue, Function, load_interface
from zerog.networks import CLONE_SUFFIX, NetworkParams
from zerog.primitives import Address, DecodeError, Wei

if TYPE_CHECKING:
    from zerog.compute.client import Money

__all__ = ["ChainFacts", "Holdings", "SignerStanding", "holdings_of", "look_at_chain"]

OWN_NODE: Final = "zerog/"
"""Stands in what our chain node says that it is."""
QUORUMS_MAX: Final = 10
"""Quorums of an epoch. Source: 0glabs/0g-geth, core/vm/dasigners.go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFacts:
    """Which network a chain node is of."""

    chain_id: int
    params: NetworkParams | None
    """`None` for a chain that nobody told us about."""

    @property
    def is_own(self) -> bool:
        """Whether somebody runs it with the keys that everybody knows."""
        return self.params is not None and self.params.genesis is not None

    @property
    def name(self) -> str:
        return "an unknown chain" if self.params is None else self.params.name


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerStanding:
    """A signer of DA."""

    votes: int
    """What its balance gives it when the next epoch is drawn."""
    epoch: int
    """The current one."""
    rows: int
    """What it has in the quorums of this epoch."""
    rows_total: int
    """Of all signers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """One address. `None` stands for what this chain does not know."""

    address: Address
    balance_wei: Wei
    nonce: int
    code_bytes: int
    """Of a contract; 0 for all others."""
    w0g_wei: Wei | None
    compute: "Money | None"
    storage_reward_wei: Wei | None
    """Earned by mining, to be withdrawn."""
    da_reward_wei: Wei | None
    """Earned by samples, to be withdrawn."""
    signer: SignerStanding | None
    """`None` for an address that is no signer of DA, too."""


def look_at_chain(chain: ChainClient) -> ChainFacts:
    """Ask a node which network it is of."""
    chain_id = int(chain.chain_id())
    version = chain.client_version()
    public = networks.public_name(chain_id)
    if OWN_NODE in version and (public is None or version.endswith(CLONE_SUFFIX)):
        like = next((name for name in ("galileo", "mainnet") if public == name), None)
        return ChainFacts(chain_id=chain_id, params=networks.own_network(like, chain_id=None if like else chain_id))
    return ChainFacts(chain_id=chain_id, params=None if public is None else networks.load(public))


def holdings_of(chain: ChainClient, facts: ChainFacts, address: Address) -> Holdings:
    """Raises what `ChainClient` does; contracts that are not there, or are others, give `None`."""
    reader = _Reader(chain, facts)
    balance = Wei(chain.balance(address))
    return Holdings(
        address=address,
        balance_wei=balance,
        nonce=int(chain.nonce(address)),
        code_bytes=len(chain.code(address)),
        w0g_wei=reader.amount("w0g", load_interface("chain", "W0G").function("balanceOf"), address),
        compute=reader.money(address),
        storage_reward_wei=reader.amount("reward", load_interface("storage", "ChunkLinearReward").function("payments"), address),
        da_reward_wei=reader.amount("da_entrance", load_interface("da", "DAEntrance").function("payments"), address),
        signer=reader.signer(address, balance),
    )


class _Reader:
    """Views of the contracts of one network."""

    def __init__(self, chain: ChainClient, facts: ChainFacts) -> None:
        self._chain: Final = chain
        self._addresses: Final = {} if facts.params is None else facts.params.addresses

    def amount(self, contract: str, function: Function, *arguments: AbiValue) -> Wei | None:
        found = self._ask(contract, function, *arguments)
        return None if found is None else Wei(int(found[0]))

    def money(self, address: Address) -> "Money | None":
        if "ledger_manager" not in self._addresses:
            return None
        from zerog.compute.client import ComputeClient
        from zerog.contracts.compute_refusals import ComputeCallRefusedError

        try:
            with ComputeClient(chain=self._chain) as compute:
                return compute.money(address)
        except (RpcError, DecodeError, ComputeCallRefusedError):
            return None

    def signer(self, address: Address, balance_wei: int) -> SignerStanding | None:
        from zerog.contracts.da import DA_REGISTRY, DA_SIGNERS, decode_quorum, quorum_call

        known = self._ask("da_signers", DA_SIGNERS.function("isSigner"), address)
        price = self._ask("da_registry", DA_REGISTRY.function("TOKENS_PER_VOTE"))
        most = self._ask("da_registry", DA_REGISTRY.function("MAX_VOTES"))
        if known is None or not known[0] or price is None or most is None:
            return None
        votes = min(balance_wei // int(price[0]), int(most[0]))
        epoch = self._number("da_signers", DA_SIGNERS.function("epochNumber"))
        count = min(self._number("da_signers", DA_SIGNERS.function("quorumCount"), epoch), QUORUMS_MAX)
        calls = (quorum_call(epoch, quorum_id) for quorum_id in range(count))
        members = [decode_quorum(self._chain.call(self._addresses["da_signers"], call)) for call in calls]
        return SignerStanding(
            votes=votes,
            epoch=epoch,
            rows=sum(owner == address for owners in members for owner in owners),
            rows_total=sum(map(len, members)),
        )

    def _number(self, contract: str, function: Function, *arguments: AbiValue) -> int:
        found = self._ask(contract, function, *arguments)
        return 0 if found is None else int(found[0])

    def _ask(self, contract: str, function: Function, *arguments: AbiValue) -> tuple[Any, ...] | None:
        """What a view returns; `None` where there is no such contract."""
        address = self._addresses.get(contract)
        if address is None:
            return None
        try:
            return function.decode_result(self._chain.call(address, function.encode(*arguments)))
        except (RpcError, DecodeError):
            return None
