"""The proof that DA works: a small blob is dispersed and read back from the signers; later it is only read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
import msgspec
from anyio import to_thread

from zerog.chain.client import AsyncChainClient
from zerog.da.client.chain import DaChain
from zerog.da.client.disperser import AsyncDisperserClient
from zerog.da.client.retriever import AsyncRetrieverClient
from zerog.da.protocol.names import BlobName
from zerog.da.protocol.status import BlobStatus
from zerog.da.signer.service import DaSigner
from zerog.devnet.blocks import making_blocks
from zerog.devnet.chain_place import ChainPlace
from zerog.primitives.errors import RefusalError
from zerog.runtime.files import write_atomically
from zerog.runtime.grpc.errors import GrpcCallError

__all__ = ["PROOF_BLOB", "DaNotProvenError", "prove_da"]

PROOF_BLOB: Final = b"This blob was dispersed by the first start of this network, to prove that DA works.\n"
RECORD: Final = "proof.json"
"""Where its name is kept, in the folder of DA."""
PROOF_S_MAX: Final = 50.0
LOOK_S: Final = 0.02
QUORUM_SIGNERS: Final = 2
"""Of three with 1,024 rows each: 2,048 signed rows confirm a blob."""


@dataclass(eq=False)
class DaNotProvenError(RefusalError):
    """A step of the proof failed."""

    cause: str

    code = "da_not_proven"
    remedy = "look at `zerog logs da`"
    http_status = 503

    def __str__(self) -> str:
        return f"what proves DA {self.cause}"


class _Record(msgspec.Struct, frozen=True):
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Addresses of those that take part."""

    disperser: str
    retriever: str


async def prove_da(place: ChainPlace, services: Services, folder: Path, signers: Sequence[DaSigner]) -> Mapping[str, object]:
    """Disperse a blob and read it back from the signers, or only read what is there: then no block, blob or nonce is added.

    Where fewer than two signers run no quorum comes together, and nothing is proven. Raises `DaNotProvenError`.
    """
    try:
        with anyio.fail_after(PROOF_S_MAX):
            async with (
                AsyncChainClient(place.url) as client,
                AsyncDisperserClient(services.disperser) as disperser,
                AsyncRetrieverClient(services.retriever) as retriever,
            ):
                chain = await DaChain.find(client)
                name = await to_thread.run_sync(_read_record, folder)
                if name is not None and await chain.is_confirmed(name) and await _reads_back(disperser, retriever, name):
                    return {"proof": str(name)}
                if place.network is None or len(signers) < QUORUM_SIGNERS:
                    return {"proof": None}
                async with making_blocks(client, wanted=True):
                    name = await _disperse(disperser)
                    await _registered_for_next(chain, signers)
                if await retriever.retrieve(name) != PROOF_BLOB:
                    raise DaNotProvenError("came back as something else")
                await to_thread.run_sync(_write_record, folder, name)
                return {"proof": str(name)}
    except TimeoutError:
        raise DaNotProvenError(f"did not come within {PROOF_S_MAX:g} seconds") from None
    except GrpcCallError as error:
        raise DaNotProvenError(f"was refused: {error}") from None


async def _reads_back(disperser: AsyncDisperserClient, retriever: AsyncRetrieverClient, name: BlobName) -> bool:
    for service in (disperser, retriever):
        try:
            if await service.retrieve(name) == PROOF_BLOB:
                return True
        except GrpcCallError:
            continue  # It has lost the blob; the next one may have it.
    return False


async def _disperse(disperser: AsyncDisperserClient) -> BlobName:
    request_id = await disperser.disperse(PROOF_BLOB)
    while True:
        state = await disperser.status(request_id)
        if state.status == BlobStatus.FAILED:
            raise DaNotProvenError(f"has failed: {state.reason}")
        if state.name is not None:
            return state.name
        await anyio.sleep(LOOK_S)


async def _registered_for_next(chain: DaChain, signers: Sequence[DaSigner]) -> None:
    """Until each signer has registered for the epoch after the one that the blob has begun: later starts then have nothing to say."""
    epoch = await chain.epoch_number()
    while any(signer.running.registrar.epoch != epoch for signer in signers):  # noqa: ASYNC110 - signers wake only their own.
        await anyio.sleep(LOOK_S)


def _read_record(folder: Path) -> BlobName | None:
    """`None` where there is none, or one that cannot be read: then a new blob is dispersed."""
    try:
        return BlobName.parse(msgspec.json.decode((folder / RECORD).read_bytes(), type=_Record).name)
    except (OSError, msgspec.DecodeError, RefusalError):
        return None


def _write_record(folder: Path, name: BlobName) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomically(folder / RECORD, msgspec.json.encode(_Record(str(name))))
