"""What may differ between two providers of one network."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from zerog.compute.provider.errors import ProviderSettingsError
from zerog.compute.provider.limits import LimitRules
from zerog.compute.provider.pictures import PictureRules

__all__ = ["ComputeProviderSettings"]

PORTS: Final = range(2**16)
MIB: Final = 1 << 20


@dataclass(frozen=True, kw_only=True)
class ComputeProviderSettings:
    """Raises `ProviderSettingsError` when a value is out of its range."""

    data_dir: Path | None = None
    """Folder of the provider's books and of its signing key; none keeps them in a temporary folder."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 3080
    """Port of everything; 0 lets the system choose."""
    public_url: str | None = None
    """What stands on chain as the service's URL; by default the address that it listens on."""
    chain_url: str = "http://127.0.0.1:8545"
    """JSON-RPC of a node of the chain."""
    private_key: str | None = field(default=None, repr=False)
    """The provider's key in hex, better in the environment or a file than on a command line; by default the one that a network of our own
    funds for it."""
    key_file: Path | None = None
    """A file with that key in hex, which only its owner can read."""
    serving: str | None = None
    """Address of the serving contract; by default that of the network whose chain id the chain has."""
    database: str | None = None
    """URL of the books where several brokers share them (`postgresql+psycopg://…`); by default a SQLite file in the data folder."""
    broker: str | None = None
    """Name of this broker among those that share the books; by default one for the data folder."""
    engine: tuple[str, ...] = ()
    """OpenAI-compatible servers, as `http://host:port/v1` or `NAME=URL`; without one the exact engine answers with a model of its own."""
    engine_key: tuple[str, ...] = field(default=(), repr=False)
    """What engines get as `Authorization: Bearer …`: `KEY` for all, or `NAME=KEY`."""
    engine_timeout_s: float = 300.0
    """Seconds that an engine may be silent."""
    model: str | None = None
    """The model's public name, as it stands on chain; by default that of the first one that the engine has. Without an engine it is a file
    of a model (GGUF) or the name of a cached one, whose answers the exact engine computes."""
    upstream_model: str | None = None
    """What the engine calls the model, where that is another name."""
    models: Path | None = None
    """A TOML file of models, where there are several or one whose price has tiers; see the documentation."""
    service_type: Literal["chatbot", "text-to-image", "image-editing", "speech-to-text", "embedding", "text-to-speech"] = "chatbot"
    """What stands on chain as the kind of the service."""
    input_price: int = 10_000_000_000
    """Wei for a token of a prompt, or a second of sound."""
    output_price: int = 20_000_000_000
    """Wei for a token of an answer, or an image."""
    cache_divisor: int = 1
    """A token of a prompt that the engine had in its cache costs so much less."""
    context_tokens: int = 131_072
    """Longest prompt and answer together; the price of so many tokens is the most that a request can reserve."""
    requests_per_minute: int = 600
    """Of one user; 0 for no bound."""
    tokens_per_minute: int = 0
    """Of one user; 0 for no bound."""
    images_per_minute: int = 0
    """Of one user; 0 for no bound."""
    concurrent: int = 20
    """Requests that are answered at once; 0 for no bound."""
    concurrent_per_user: int = 5
    """Requests of one user that are answered at once; 0 for no bound."""
    settle_interval_s: float = 600.0
    """Seconds after which everything is settled that is owed."""
    settle_check_s: float = 300.0
    """Seconds after which those are settled whose money may be gone soon."""
    receipts_indexer: str | None = None
    """URL of an indexer of 0G Storage: through it the leaves of every settlement are stored as a file, by which receipts prove payments
    when the provider is gone. By default they are not; `zerog up` names its own."""
    receipts_disperser: str | None = None
    """`host:port` of a disperser of 0G DA, which gets the same bytes as a blob; needs an indexer too."""
    jobs_waiting: int = 100
    """Jobs of images that may wait."""
    pictures_kept_s: float = 86_400.0
    """Seconds for which pictures can be fetched that a client wanted the addresses of (`response_format` `url`)."""
    pictures_mib: int = 2_048
    """MiB that all of them may take together; the oldest go for new ones."""
    allowed_hosts: str | None = None
    """Comma-separated host names and origins that may call, beside those of this machine; `*` lets every web page call."""

    def __post_init__(self) -> None:
        if self.port not in PORTS:
            raise ProviderSettingsError(f"port: {self.port} is no port")
        for url in filter(None, (self.chain_url, self.public_url, self.receipts_indexer)):
            _check_url(url)
        if self.receipts_disperser is not None and self.receipts_indexer is None:
            raise ProviderSettingsError("receipts-disperser: blobs are found through files, so name a receipts-indexer too")
        if self.public_url is not None and self.public_url.endswith("/"):
            raise ProviderSettingsError("public-url: the official client adds paths that begin with a slash, so it ends without one")
        if min(self.input_price, self.output_price) < 0 or self.cache_divisor < 1 or self.context_tokens < 1:
            raise ProviderSettingsError("prices are at least 0, and cache-divisor and context-tokens at least 1")
        if min(self.requests_per_minute, self.tokens_per_minute, self.images_per_minute, self.concurrent, self.concurrent_per_user) < 0:
            raise ProviderSettingsError("a limit is 0 for none, or more")
        if min(self.settle_interval_s, self.settle_check_s, self.engine_timeout_s) <= 0:
            raise ProviderSettingsError("settle-interval, settle-check and engine-timeout are more than 0 s")
        if not 1 <= self.jobs_waiting <= 100_000:
            raise ProviderSettingsError("jobs-waiting is from 1 to 100000")
        if self.pictures_kept_s <= 0 or not 64 <= self.pictures_mib <= 1 << 20:
            raise ProviderSettingsError("pictures-kept is more than 0 s, and pictures-mib from 64 to 1048576")
        if self.private_key is not None and self.key_file is not None:
            raise ProviderSettingsError("private-key and key-file: give one of them")
        if self.model == "":
            raise ProviderSettingsError("model: a name is needed")

    @property
    def allowed_host_names(self) -> tuple[str, ...]:
        """`allowed_hosts`, one by one."""
        return tuple(name.strip() for name in (self.allowed_hosts or "").split(",") if name.strip())

    @property
    def picture_rules(self) -> PictureRules:
        """How long and how many pictures are kept."""
        return PictureRules(kept_s=self.pictures_kept_s, bytes_max=self.pictures_mib * MIB)

    @property
    def limit_rules(self) -> LimitRules:
        """The bounds on users."""
        return LimitRules(
            requests_per_minute=self.requests_per_minute,
            tokens_per_minute=self.tokens_per_minute,
            images_per_minute=self.images_per_minute,
            concurrent_max=self.concurrent,
            concurrent_per_user_max=self.concurrent_per_user,
        )


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_named = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_named = False
    if not is_named or not url.isascii() or any(map(str.isspace, url)):
        raise ProviderSettingsError(f"{url!r} is no URL: http://host[:port] or https://host[:port]")
