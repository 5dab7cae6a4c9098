"""Writing into the storage of tokens whose source nobody knows: the slot is found by trying what a read of the token looks at.

The idea is that of forge's `deal` (foundry-rs/forge-std, src/StdStorage.sol).
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from zerog._kernel import AccountOverride, CallOutcome, CallRequest, Ledger, abi_encode, keccak256
from zerog.chain.node.chain import Chain
from zerog.chain.protocol.errors import ChainError
from zerog.primitives import ZERO_ADDRESS, Address, decode_data

__all__ = ["SlotNotFoundError", "set_answer"]

GAS: Final = 10_000_000
"""What a read of a token may use."""


@dataclass(eq=False)
class SlotNotFoundError(ChainError):
    """No single slot decides what a token answers."""

    token: Address
    method: str

    code = "slot_not_found"
    remedy = "write the token's storage with `anvil_setStorageAt`"

    def __str__(self) -> str:
        return f"no slot of {self.token} decides alone what {self.method} answers"


class _Access(msgspec.Struct, rename="camel"):
    address: str
    storage_keys: list[str]


class _AccessList(msgspec.Struct, rename="camel"):
    access_list: list[_Access]


async def set_answer(chain: Chain, token: Address, method: str, arguments: tuple[Address, ...], value: int) -> None:
    """Make a method of addresses (say `balanceOf(address)`) answer `value`. Raises `SlotNotFoundError`."""
    data = keccak256(method.encode())[:4] + abi_encode(["address"] * len(arguments), [str(argument) for argument in arguments])
    wanted = value.to_bytes(32, "big")
    async with chain.producer.edit():
        for address, slot in _slots(chain.ledger, token, data):
            pretended = AccountOverride(address=address, state_diff=[(slot, wanted)])
            outcome = chain.ledger.call(_request(token, data, [pretended]))
            if isinstance(outcome, CallOutcome) and outcome.status == "success" and outcome.output == wanted:
                chain.ledger.set_storage(address, slot, wanted)
                return
    raise SlotNotFoundError(token, method)


def _slots(ledger: Ledger, token: Address, data: bytes) -> list[tuple[bytes, bytes]]:
    """Accounts and slots that a read looks at."""
    outcome = ledger.call(_request(token, data))
    if not isinstance(outcome, CallOutcome) or outcome.status != "success" or len(outcome.output) != 32:
        return []
    found = msgspec.json.decode(ledger.access_list_json(_request(token, data)), type=_AccessList)
    return [(decode_data(item.address), decode_data(key)) for item in found.access_list for key in item.storage_keys]


def _request(token: Address, data: bytes, overrides: list[AccountOverride] | None = None) -> CallRequest:
    return CallRequest(sender=ZERO_ADDRESS, to=token, data=data, gas_limit=GAS, state_overrides=overrides or [])
