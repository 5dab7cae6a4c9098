"""A chain on which tests call DASigners, and what its methods are called."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from tests.unit.chain.node.conftest import ACCOUNTS, LOCAL, Running, run_node, text
from tests.unit.chain.node.da_model import Signer, signer
from zerog._kernel import abi_decode, abi_encode
from zerog.chain.node.settings import ChainNodeSettings
from zerog.networks import RULES, ZeroGravityRules

DA: Final = "0x0000000000000000000000000000000000001000"
REGISTRY: Final = "0x20f30b2584f3096ea0d6c18c3b5cacc0585e12fc"
STRANGER: Final = text(ACCOUNTS[4].address)
EPOCH_BLOCKS: Final = 8
CHAIN_ID: Final = LOCAL.chain_id
GAS: Final = 30_000_000
POINT: Final = "(uint256,uint256)"
DETAIL: Final = f"(address,string,{POINT},(uint256[2],uint256[2]))"
METHODS: Final[dict[str, tuple[list[str], str, int]]] = {
    "params": ([], "cff0ab96", 1_000),
    "epochNumber": ([], "f4145a83", 1_000),
    "quorumCount": (["uint256"], "5ecba503", 1_000),
    "isSigner": (["address"], "7df73e27", 10_000),
    "getSigner": (["address[]"], "d1f5e5f8", 100_000),
    "getQuorum": (["uint256", "uint256"], "6ab6f654", 100_000),
    "getQuorumRow": (["uint256", "uint256", "uint32"], "fa6fcba6", 10_000),
    "registeredEpoch": (["address", "uint256"], "6c9e560c", 10_000),
    "getAggPkG1": (["uint256", "uint256", "bytes"], "50b73739", 1_000_000),
    "registerSigner": ([DETAIL, POINT], "7ca4dd5e", 100_000),
    "registerNextEpoch": (["address", POINT, "uint256"], "0f62bda5", 100_000),
    "updateSocket": (["string"], "0cf4b767", 50_000),
    "makeEpoch": ([], "5a889f0c", 100_000),
}
"""Of every method: types of its arguments, selector, gas."""
FIRST: Final = signer(1)
SECOND: Final = signer(2, b"[::1]:34011")
THIRD: Final = signer(3, b"da.example.org:34012")


def numbers(words: bytes) -> list[int]:
    return [int.from_bytes(words[at : at + 32], "big") for at in range(0, len(words), 32)]


def data(method: str, *arguments: Any) -> str:
    """Call data."""
    types, selector, _ = METHODS[method]
    return "0x" + selector + abi_encode(types, arguments).hex()


def detail(one: Signer) -> tuple[Any, ...]:
    """The tuple in which the contract is told of a signer."""
    key_g1, key_g2 = (numbers(key) for key in one.keys)
    return one.address, one.socket.decode(), tuple(key_g1), (key_g2[:2], key_g2[2:])


def forward_to(opcode: str, then: str = "5f5260205ff3") -> str:
    """Code that passes its call data on to 0x…1000 by CALL (f1), DELEGATECALL (f4) or STATICCALL (fa), and returns if that succeeded."""
    value = "5f" if opcode == "f1" else ""
    return "0x365f5f375f5f365f" + value + "61100063" + (20_000_000).to_bytes(4, "big").hex() + opcode + then


REVERTER: Final = forward_to("f1", then="505f5ffd")
"""Code that calls 0x…1000 and takes back what that did."""


def da_rules(epoch_blocks: int | None = EPOCH_BLOCKS) -> ZeroGravityRules:
    """The contract and no floor of gas."""
    return replace(RULES["zero-gravity"], min_gas_used_percent=0, da_epoch_blocks=epoch_blocks)


def run_da_node(rules: ZeroGravityRules) -> Iterator[Running]:
    """A chain that nobody has registered on."""
    yield from run_node(ChainNodeSettings(rpc_port=0), replace(LOCAL, name="bare", rules=rules, addresses={}))


@dataclass
class Da:
    """A chain whose contract a test calls."""

    chain: Running

    def ask(self, types: Sequence[str], method: str, *arguments: Any, block: str = "latest") -> tuple[Any, ...]:
        answer = self.chain.rpc("eth_call", {"to": DA, "data": data(method, *arguments), "gas": hex(GAS)}, block)
        return abi_decode(types, bytes.fromhex(answer[2:]))

    def number(self, method: str, *arguments: Any) -> int:
        [value] = self.ask(["uint256"], method, *arguments)
        assert isinstance(value, int)
        return value

    def flag(self, method: str, *arguments: Any) -> bool:
        [value] = self.ask(["bool"], method, *arguments)
        return value is True

    def fault(self, call: str, sender: str = STRANGER) -> str:
        return self.chain.refusal("eth_call", {"from": sender, "to": DA, "data": call, "gas": hex(GAS)}).message

    def act(self, sender: str, call: str, *, to: str = DA, gas: int = 1_000_000) -> Any:
        """A transaction in the name of anybody; its receipt."""
        self.chain.rpc("anvil_impersonateAccount", sender)
        self.chain.rpc("anvil_setBalance", sender, hex(10**21))
        fields = {"from": sender, "to": to, "data": call, "gas": hex(gas), "gasPrice": hex(10**11)}
        receipt = self.chain.rpc("eth_getTransactionReceipt", self.chain.rpc("eth_sendTransaction", fields))
        self.chain.rpc("anvil_stopImpersonatingAccount", sender)
        return receipt

    def register(self, one: Signer) -> Any:
        return self.act(REGISTRY, data("registerSigner", detail(one), numbers(one.possession(CHAIN_ID))))

    def enter(self, one: Signer, votes: int, epoch: int | None = None) -> Any:
        epoch = self.number("epochNumber") + 1 if epoch is None else epoch
        return self.act(REGISTRY, data("registerNextEpoch", one.address, numbers(one.entry(epoch, CHAIN_ID)), votes))

    def make(self) -> Any:
        return self.act(STRANGER, data("makeEpoch"), gas=200_000)

    def next_epoch(self, votes: dict[Signer, int]) -> int:
        """Let these signers, already registered, enter the next epoch in this order, and make it."""
        if self.number("epochNumber"):
            self.chain.rpc("anvil_mine", hex(EPOCH_BLOCKS))
        for one, count in votes.items():
            assert self.enter(one, count)["status"] == "0x1"
        assert self.make()["status"] == "0x1"
        return self.number("epochNumber")

    def quorums(self, epoch: int) -> list[list[bytes]]:
        found = []
        for index in range(self.number("quorumCount", epoch)):
            [members] = self.ask(["address[]"], "getQuorum", epoch, index)
            found.append([address if isinstance(address, bytes) else bytes.fromhex(address[2:]) for address in members])
        return found

    def slot(self, slot: bytes) -> bytes:
        return bytes.fromhex(self.chain.rpc("eth_getStorageAt", DA, text(slot), "latest")[2:])
