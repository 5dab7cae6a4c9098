"""Keeps a node registered: as a signer, with the socket that it listens on, and for the next epoch; and lets go what is too old.

Source: 0glabs/0g-da-node, `server/src/runtime.rs`, `chain-state/src/signers_handler.rs`, `pruner/src/lib.rs`.
"""

from typing import Final

import anyio
import structlog
from anyio import to_thread

from zerog._kernel import bls_public_key, bls_sign
from zerog.chain.client import RpcError
from zerog.contracts.da import G1, G2, SignerDetail
from zerog.contracts.da_refusals import da_refusal
from zerog.da.client.chain import CHAIN_FAILURES, DaChain
from zerog.da.following import EntranceFollower
from zerog.da.protocol.errors import DaError
from zerog.da.protocol.messages import epoch_digest, ownership_digest
from zerog.da.protocol.quorum import oldest_kept_epoch
from zerog.da.signer.assignments import Assignments
from zerog.da.signer.store import SignerStore
from zerog.primitives import Account, decode_data

__all__ = ["Registrar"]

log = structlog.get_logger(__name__)

PAUSE_S: Final = 0.2
"""Between two looks at least, however many blocks come."""
LOOK_S_MAX: Final = 60.0
RETRY_S_MIN: Final = 0.2
RETRY_S_MAX: Final = 10.0


class Registrar:
    """Says to the chain what it has to know of one signer."""

    def __init__(
        self,
        chain: DaChain,
        account: Account,
        secret: bytes,
        socket: str,
        *,
        follower: EntranceFollower,
        assignments: Assignments,
        store: SignerStore,
    ) -> None:
        """`secret` is the BLS secret; `socket` is what stands on chain."""
        self.trouble: str | None = None
        """Why the chain does not know what it has to."""
        self.is_registered = False
        """Whether it had the signer with its socket when it was looked at last."""
        self.epoch: int | None = None
        """The epoch for whose successor the signer was registered then."""
        self.pruned = 0
        """Blobs that were let go."""
        self._chain: Final = chain
        self._account: Final = account
        self._secret: Final = secret
        self._socket: Final = socket
        self._follower: Final = follower
        self._assignments: Final = assignments
        self._store: Final = store
        self._oldest = 0

    async def run(self) -> None:
        """Look after each block until cancelled, through all failures of the chain."""
        pause_s = RETRY_S_MIN
        while True:
            seen = self._follower.read
            try:
                await self.look()
            except (*CHAIN_FAILURES, DaError) as error:
                self.trouble = _words(error)
                log.warning("signer_not_registered", cause=self.trouble, again_in_s=pause_s)
                await anyio.sleep(pause_s)
                pause_s = min(2 * pause_s, RETRY_S_MAX)
                continue
            self.trouble = None
            pause_s = RETRY_S_MIN
            await anyio.sleep(PAUSE_S)
            with anyio.move_on_after(LOOK_S_MAX):
                while self._follower.read == seen:
                    await self._follower.wait_for_news()

    async def look(self) -> None:
        """See what the chain knows, say what is missing, and let go what is too old. Raises `CHAIN_FAILURES`, `DaError`s."""
        address = self._account.address
        if not self.is_registered:
            await self._register()
        epoch = await self._assignments.look()
        if not await self._chain.registered_epoch(address, epoch + 1):
            digest = epoch_digest(address, epoch + 1, self._chain.chain_id)
            await self._chain.register_next_epoch(self._account, bls_sign(self._secret, digest))
            log.info("epoch_registered", epoch=epoch + 1)
        self.epoch = epoch
        oldest = oldest_kept_epoch(epoch, self._assignments.window)
        if oldest > self._oldest:
            count = await to_thread.run_sync(self._store.prune, oldest)
            self._oldest = oldest
            self.pruned += count
            log.info("epochs_pruned", before=oldest, blobs=count)

    def forget(self) -> None:
        """The chain went back: look at everything again."""
        self.is_registered = False
        self.epoch = None

    async def _register(self) -> None:
        address = self._account.address
        if not await self._chain.is_signer(address):
            g1, g2 = bls_public_key(self._secret)
            detail = SignerDetail(signer=address, socket=self._socket, public_key_g1=G1.from_words(g1), public_key_g2=G2.from_words(g2))
            signature = bls_sign(self._secret, ownership_digest(address, self._chain.chain_id))
            await self._chain.register_signer(self._account, detail, signature)
            log.info("signer_registered", signer=str(address), socket=self._socket)
        elif (await self._chain.signers([address]))[address].socket != self._socket:
            await self._chain.update_socket(self._account, self._socket)
            log.info("socket_updated", signer=str(address), socket=self._socket)
        self.is_registered = True


def _words(error: Exception) -> str:
    """A refusal of the contracts in words, if it is one."""
    if isinstance(error, RpcError) and isinstance(error.data, str):
        try:
            refusal = da_refusal(decode_data(error.data))
        except ValueError:
            refusal = None
        if refusal is not None:
            return str(refusal)
    return str(error) or type(error).__name__
