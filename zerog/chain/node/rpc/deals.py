"""`anvil_*` and `tenderly_*`: balances of native tokens and of ERC-20 tokens as one wants them, and blocks that never were."""

from typing import Final

import msgspec

from zerog._kernel import Rejection
from zerog.chain.node.chain import Chain
from zerog.chain.node.deals import set_answer
from zerog.chain.node.soon import now
from zerog.chain.protocol.pool_errors import pool_refusal
from zerog.chain.wire.numbers import LooseNumber
from zerog.primitives import Address, Data, InvalidParametersError, Quantity, decode_hook
from zerog.runtime.jsonrpc import Namespace

__all__ = ["Addresses", "anvil", "tenderly"]

anvil = Namespace("anvil")
tenderly = Namespace("tenderly")

WORD_MAX: Final = 2**256 - 1
REORG_BLOCKS_MAX: Final = 10_000
"""Most blocks that one reorganisation replaces: each is made anew."""


class Addresses(tuple[Address, ...]):
    """One address or several."""

    __slots__ = ()

    @classmethod
    def from_json(cls, value: object) -> "Addresses":
        """Raises `ValueError`."""
        return cls(msgspec.convert(value if isinstance(value, list) else [value], tuple[Address, ...], dec_hook=decode_hook))


@anvil.method("addBalance", dev=True)
async def add_balance(chain: Chain, address: Address, amount: Quantity) -> None:
    """Give an account more wei, up to what 256 bits hold."""
    async with chain.producer.edit():
        chain.ledger.set_balance(address, min(chain.ledger.balance(address) + amount, WORD_MAX))


@anvil.method("dealERC20", dev=True, aliases=("anvil_dealErc20",))
async def deal_erc20(chain: Chain, holder: Address, token: Address, amount: Quantity) -> None:
    """Give an account a balance of a token."""
    await set_answer(chain, token, "balanceOf(address)", (holder,), amount)


@anvil.method("setERC20Allowance", dev=True, aliases=("anvil_setErc20Allowance",))
async def set_erc20_allowance(chain: Chain, owner: Address, spender: Address, token: Address, amount: Quantity) -> None:
    """Let an account spend a token of another."""
    await set_answer(chain, token, "allowance(address,address)", (owner, spender), amount)


@tenderly.method("setBalance", dev=True)
async def tenderly_set_balance(chain: Chain, addresses: Addresses, amount: Quantity) -> Quantity:
    """Give accounts a balance in wei, which is also the answer."""
    async with chain.producer.edit():
        for address in addresses:
            chain.ledger.set_balance(address, amount)
    return amount


@tenderly.method("addBalance", dev=True)
async def tenderly_add_balance(chain: Chain, addresses: Addresses, amount: Quantity) -> Quantity:
    """Give accounts more wei; the answer is what the last of them has then."""
    if not addresses:
        raise InvalidParametersError("at least one address is needed")
    for address in addresses:
        await add_balance(chain, address, amount)
    return Quantity(chain.ledger.balance(addresses[-1]))


@anvil.method("rollback", dev=True)
async def rollback(chain: Chain, depth: LooseNumber | None = None) -> None:
    """Take back the newest blocks (one unless told otherwise) with all that was in them. Snapshots of them are gone."""
    await chain.rollback(1 if depth is None else int(depth))


@anvil.method("reorg", dev=True)
async def reorg(chain: Chain, depth: LooseNumber, transactions: list[tuple[Data, LooseNumber]] | None = None) -> None:
    """Put as many other blocks in the place of the newest ones. A raw transaction goes into the block that stands beside it, from 0 on.

    Where one is refused the other blocks are made all the same, without it and those after it, and the refusal is the answer.
    """
    wanted = transactions or []
    if depth > REORG_BLOCKS_MAX:
        raise InvalidParametersError(f"at most {REORG_BLOCKS_MAX} blocks are replaced at once, not {depth:d}")
    if any(index >= depth for _, index in wanted):
        raise InvalidParametersError(f"a transaction is for one of the {depth:d} blocks that are replaced, counted from 0")
    automine, chain.producer.automine = chain.producer.automine, False
    refusal: Rejection | None = None
    try:
        await chain.rollback(int(depth), other_way=True)
        for number in range(depth):
            if refusal is None:
                outcome = await now(chain.producer.submit([raw for raw, index in wanted if index == number]))
                refusal = next((answer for answer in outcome if isinstance(answer, Rejection)), None)
            await chain.producer.mine()
    finally:
        chain.producer.automine = automine
    if refusal is not None:
        raise pool_refusal(refusal)
