"""From a seal that was found to an answer: with its way to the flow's root, and checked as the contract will check it."""

from dataclasses import dataclass
from typing import Final

from anyio import to_thread

from zerog._kernel import SealedLoads
from zerog.contracts.mine import PoraAnswer, WorkerContext
from zerog.contracts.mine import RecallRange as AnswerRange
from zerog.primitives import Hash32
from zerog.storage.node.errors import ReadRefusedError
from zerog.storage.node.flow_reads import FlowReads
from zerog.storage.node.mining.errors import UnprovableError
from zerog.storage.protocol.pora import LOAD_SECTORS, SEAL_HEIGHT, SEAL_SECTORS, RecallRange, seal_root, unseal

__all__ = ["Found", "Prover"]


@dataclass(frozen=True, slots=True)
class Found:
    """What the search came upon."""

    nonce: Hash32
    load: int
    """Its place on the flow."""
    seal: int
    """Its place in the load."""
    quality: int
    sealed: bytes

    @property
    def sector(self) -> int:
        """Where the seal begins."""
        return self.load * LOAD_SECTORS + self.seal * SEAL_SECTORS


class Prover:
    """Makes the answers of one miner."""

    def __init__(self, reads: FlowReads, loads: SealedLoads, miner_id: Hash32) -> None:
        self._reads: Final = reads
        self._loads: Final = loads
        self._miner_id: Final = miner_id

    async def prove(self, found: Found, worker: WorkerContext, recall: RecallRange) -> PoraAnswer:
        """Raises `UnprovableError` where data and root do not fit."""
        root, sector = worker.context.flow_root, found.sector
        head = await to_thread.run_sync(self._loads.head, found.load)
        if head is None:
            raise UnprovableError(sector, "it was dropped meanwhile", root)
        digest = Hash32(head[2][found.seal])
        try:
            proof = await self._reads.proof(sector, root, worker.context.flow_length)
        except ReadRefusedError as error:
            raise UnprovableError(sector, str(error), root) from None
        siblings = proof.lemma[1 + SEAL_HEIGHT : -1]
        data = unseal(self._miner_id, sector, [digest], found.sealed)
        if seal_root(data, sector, siblings) != root:
            raise UnprovableError(sector, "its data or its context is another", root)
        return PoraAnswer(
            context_digest=worker.context.digest,
            nonce=found.nonce,
            miner_id=self._miner_id,
            range=AnswerRange(
                start_position=recall.start_sector, mine_length=recall.sectors, shard_id=recall.shard_id, shard_mask=recall.shard_mask
            ),
            recall_position=sector,
            seal_offset=found.seal,
            sealed_context_digest=digest,
            sealed_data=found.sealed,
            merkle_proof=tuple(siblings),
        )
