"""Samples of blobs: which quorum has a root, who holds a row, and what that signer shows, held against the root before it is passed on."""

from collections import OrderedDict
from typing import Final

import anyio
from anyio import to_thread

from zerog.da.client.chain import DaChain
from zerog.da.client.signer import AsyncSignerClient
from zerog.da.client.sockets import grpc_target
from zerog.da.gateway.book import Book
from zerog.da.gateway.errors import NameUnknownError
from zerog.da.protocol.names import BlobName
from zerog.da.protocol.quorum import Quorum
from zerog.da.protocol.sampling import check_position, verify_sample
from zerog.da.wire.gateway import SampleAnswer
from zerog.primitives import Address, Data, Hash32

__all__ = ["Samples"]

QUORUMS_MAX: Final = 16
SIGNERS_MAX: Final = 256
"""Connections that are kept."""
LOG_PAGE_BLOCKS: Final = 999
ROUND_S_MAX: Final = 30.0
REREAD_BLOCKS: Final = 64
"""The newest blocks are read again at the next look: until they are final others may take their places."""


class Samples:
    """Asks the signers on behalf of whoever asks the gateway."""

    def __init__(self, chain: DaChain, book: Book, *, allow_private: bool) -> None:
        """`allow_private` lets signers be at addresses that are not public."""
        self._chain: Final = chain
        self._book: Final = book
        self._allow_private: Final = allow_private
        self._reading: Final = anyio.Lock()
        self._quorums: Final[OrderedDict[tuple[int, int], Quorum]] = OrderedDict()
        self._signers: Final[OrderedDict[str, AsyncSignerClient]] = OrderedDict()
        self.given = 0
        self.refused = 0

    async def close(self) -> None:
        """Let go of all connections."""
        with anyio.CancelScope(shield=True):
            while self._signers:
                await self._signers.popitem()[1].close()

    async def sample(
        self, root: Hash32, row_index: int, subline_index: int, *, epoch: int | None = None, quorum_id: int | None = None
    ) -> SampleAnswer:
        """From the signer who holds the row. Without an epoch and a quorum the newest quorum that has signed the root is asked.

        Raises `SamplePositionError`, `NameUnknownError`, `SampleInvalidError`, and what chain and signer answer wrong.
        """
        check_position(row_index, subline_index)
        try:
            with anyio.fail_after(ROUND_S_MAX):
                if epoch is None or quorum_id is None:
                    name = await self.name_of(root)
                else:
                    name = BlobName(root, epoch, quorum_id)
                answer = await self._ask(name, row_index, subline_index)
        except BaseException:
            self.refused += 1
            raise
        self.given += 1
        return answer

    async def _ask(self, name: BlobName, row_index: int, subline_index: int) -> SampleAnswer:
        quorum = await self._quorum(name.epoch, name.quorum_id)
        signer = quorum.members[row_index]
        sample = await (await self._client_of(signer)).sample(name, row_index, subline_index)
        verify_sample(sample, name.root, row_index, subline_index)
        return SampleAnswer(
            root=name.root,
            epoch=name.epoch,
            quorum=name.quorum_id,
            row=row_index,
            subline=subline_index,
            signer=signer,
            data=Data(sample.data),
            path=list(sample.path),
            coset_roots=list(sample.coset_roots),
        )

    async def name_of(self, root: Hash32) -> BlobName:
        """The newest name of a root, as the chain has it now. Raises `NameUnknownError`."""
        found = await to_thread.run_sync(self._book.find_name, root)
        if found is None:
            await self._read_log()
            found = await to_thread.run_sync(self._book.find_name, root)
        if found is None:
            raise NameUnknownError(root)
        return found

    async def is_signed(self, name: BlobName) -> bool:
        """Whether the chain has a quorum's word for a blob."""
        return await self._chain.is_confirmed(name)

    async def _read_log(self) -> None:
        """From where the last look ended to the newest block."""
        chain = f"{self._chain.chain_id}/{self._chain.entrance}"
        async with self._reading:
            head = await self._chain.client.block_number()
            first = await to_thread.run_sync(self._book.next_block, chain)
            while first <= head:
                last = min(first + LOG_PAGE_BLOCKS, head)
                names = [event.blob for event in await self._chain.events(first, last) if event.is_verified]
                first = last + 1
                await to_thread.run_sync(self._book.note_names, chain, names, max(0, min(first, head - REREAD_BLOCKS)))

    async def _quorum(self, epoch: int, quorum_id: int) -> Quorum:
        key = (epoch, quorum_id)
        quorum = self._quorums.get(key)
        if quorum is None:
            quorum = self._quorums[key] = await self._chain.quorum(epoch, quorum_id)
            if len(self._quorums) > QUORUMS_MAX:
                self._quorums.popitem(last=False)
        return quorum

    async def _client_of(self, signer: Address) -> AsyncSignerClient:
        """Where the signer listens now: it may have moved."""
        details = await self._chain.signers([signer])
        target = await grpc_target(details[signer].socket, allow_private=self._allow_private)
        client = self._signers.get(target)
        if client is None:
            client = self._signers[target] = AsyncSignerClient(target)
        self._signers.move_to_end(target)
        if len(self._signers) > SIGNERS_MAX:
            await self._signers.popitem(last=False)[1].close()
        return client
