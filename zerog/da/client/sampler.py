"""Asks a gateway for samples of blobs, and checks what it says. Importing it loads httpx."""

from typing import Final

import msgspec

from zerog.da.client.errors import DaServiceError
from zerog.da.client.results import CheckedSample
from zerog.da.protocol.names import BlobName
from zerog.da.protocol.sampling import Sample, check_position, verify_sample
from zerog.da.wire.gateway import SampleAnswer
from zerog.primitives import Hash32, decode_hook
from zerog.runtime.outgoing import httpx

__all__ = ["Sampler"]

TIMEOUT_S: Final = 60.0
ANSWER_BYTES_MAX: Final = 64 << 10
WORDS_MAX: Final = 500


class Sampler:
    """One gateway."""

    def __init__(self, url: str) -> None:
        self._url: Final = url.rstrip("/")
        self._http: Final = httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_S)

    async def close(self) -> None:
        """Let go of all connections."""
        await self._http.aclose()

    async def sample(
        self, root: Hash32, row_index: int, subline_index: int, *, epoch: int | None = None, quorum_id: int | None = None
    ) -> CheckedSample:
        """See `AsyncDaClient.sample`."""
        check_position(row_index, subline_index)
        query = {name: str(number) for name, number in (("epoch", epoch), ("quorum", quorum_id)) if number is not None}
        try:
            answer = await self._http.get(f"{self._url}/sample/{root}/{row_index}/{subline_index}", params=query)
        except httpx.HTTPError as error:
            raise DaServiceError(self._url, str(error) or type(error).__name__) from None
        if answer.status_code != httpx.codes.OK or len(answer.content) > ANSWER_BYTES_MAX:
            raise DaServiceError(self._url, f"HTTP {answer.status_code}: {answer.text[:WORDS_MAX]}")
        try:
            found = msgspec.json.decode(answer.content, type=SampleAnswer, dec_hook=decode_hook)
        except (msgspec.DecodeError, ValueError) as error:
            raise DaServiceError(self._url, f"an answer that is no sample: {error}") from None
        sample = Sample(bytes(found.data), tuple(found.path), tuple(found.coset_roots))
        verify_sample(sample, root, row_index, subline_index)
        return CheckedSample(
            name=BlobName(root, found.epoch, found.quorum),
            row_index=row_index,
            subline_index=subline_index,
            signer=str(found.signer),
            sample=sample,
        )
