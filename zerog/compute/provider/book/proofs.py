"""Where receipts were settled: the entry on chain, and the way from a receipt to the root that the entry carries."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final, cast

import msgspec
from sqlalchemy import Connection, bindparam, select

from zerog.compute.protocol.receipts import ReceiptTree, read_remainder
from zerog.compute.protocol.settlement import paid_parts
from zerog.compute.provider.book.book import Book
from zerog.compute.provider.book.schema import charges
from zerog.compute.provider.book.settlement_tables import batches, entries, remainders
from zerog.compute.wire.provider import RemainderPlace, SettlementEntry, SettlementPlace
from zerog.primitives import Address, Data, Hash32

__all__ = ["SettlementProofs"]

TREES_MAX: Final = 64
"""Trees that are kept: receipts of one settlement are asked for one after another."""
CHARGE = select(charges.c.sequence, charges.c.leaf, charges.c.settlement_entry_id).where(charges.c.request_id == bindparam("request_id"))
ENTRY = (
    select(entries, batches.c.transaction_hash, batches.c.block_number)
    .join(batches, batches.c.batch_id == entries.c.batch_id)
    .where(entries.c.entry_id == bindparam("entry_id"), entries.c.state.in_(("settled", "partial")))
)
REMAINDERS = (
    select(remainders.c.document, remainders.c.leaf, remainders.c.settlement_entry_id)
    .where(remainders.c.charge_sequence == bindparam("sequence"))
    .order_by(remainders.c.remainder_id)
)


class SettlementProofs:
    """Proofs out of a book, for the contract that its provider is paid by."""

    def __init__(self, book: Book, *, provider: Address, contract: Address) -> None:
        self._book: Final = book
        self._provider: Final = provider
        self._contract: Final = contract
        self._trees: Final[OrderedDict[bytes, ReceiptTree]] = OrderedDict()

    async def place_of(self, request_id: str) -> SettlementPlace | None:
        """The settlement that paid for a request, or a part of it; `None` as long as none has. Raises `BookUnavailableError`."""
        return await self._book.read(lambda connection: self._read(connection, request_id))

    async def shown_place_of(self, request_id: str) -> Mapping[str, object] | None:
        """The same as plain JSON."""
        place = await self.place_of(request_id)
        return None if place is None else cast("dict[str, object]", msgspec.to_builtins(place, enc_hook=str))

    def _read(self, connection: Connection, request_id: str) -> SettlementPlace | None:
        charge = connection.execute(CHARGE, {"request_id": request_id}).one_or_none()
        if charge is None or charge.settlement_entry_id is None:
            return None
        place = self._place(connection, charge.settlement_entry_id, Hash32(charge.leaf))
        if place is None or place.paid is None:
            return place
        left = [
            RemainderPlace(
                remainder=read_remainder(bytes(row.document)),
                leaf=Hash32(row.leaf),
                settlement=None if row.settlement_entry_id is None else self._place(connection, row.settlement_entry_id, Hash32(row.leaf)),
            )
            for row in connection.execute(REMAINDERS, {"sequence": charge.sequence})
        ]
        return msgspec.structs.replace(place, remainders=left)

    def _place(self, connection: Connection, entry_id: int, leaf: Hash32) -> SettlementPlace | None:
        row = connection.execute(ENTRY, {"entry_id": entry_id}).one_or_none()
        if row is None:
            return None
        leaves = bytes(row.leaves)
        index = next(at for at in range(len(leaves) // 32) if leaves[32 * at : 32 * at + 32] == leaf)
        amounts = [int(amount) for _, amount in msgspec.json.decode(row.rows, type=list[tuple[int, str]])]
        proof = self._tree(bytes(row.requests_hash), leaves, amounts).proof(index)
        return SettlementPlace(
            transaction_hash=Hash32(row.transaction_hash),
            block_number=row.block_number,
            contract=self._contract,
            entry=SettlementEntry(
                user=Address(row.user_address),
                provider=self._provider,
                total_fee=row.total_wei,
                requests_hash=Hash32(row.requests_hash),
                nonce=row.nonce,
                signature=Data(row.signature),
            ),
            index=index,
            count=proof.count,
            proof=proof.proof,
            paid=_paid_part(amounts, int(row.paid_wei), index),
        )

    def _tree(self, root: bytes, leaves: bytes, amounts_wei: Sequence[int]) -> ReceiptTree:
        """By its root, which is that of no other leaves."""
        tree = self._trees.get(root)
        if tree is None:
            tree = self._trees[root] = ReceiptTree([Hash32(leaves[at : at + 32]) for at in range(0, len(leaves), 32)], amounts_wei)
            while len(self._trees) > TREES_MAX:
                self._trees.popitem(last=False)
        return tree


def _paid_part(amounts_wei: Sequence[int], paid_wei: int, index: int) -> str | None:
    """What was paid of the leaf in this settlement; `None` if all of it was."""
    covered, part_wei = paid_parts(amounts_wei, paid_wei)
    return None if index < covered else str(part_wei)
