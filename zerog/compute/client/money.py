"""A user's money as a graph: the wallet, the ledger that it feeds, and the accounts with providers that the ledger feeds."""

from dataclasses import dataclass

from zerog.primitives import Address, Wei

__all__ = ["LedgerMoney", "Money", "ProviderMoney", "WaitingRefund"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingRefund:
    """Money asked back from a provider."""

    amount_wei: Wei
    refundable_at_s: int
    """Seconds since 1970, by the chain's time: from then on the next `retrieve` moves it to the ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderMoney:
    """What lies with one provider."""

    provider: Address
    model: str | None
    """Of its service; `None` where it has none any more."""
    balance_wei: Wei
    """All of it."""
    locked_wei: Wei
    """What the provider can count on."""
    pending_refund_wei: Wei
    """What was asked back. Settlements may still take it until it is refunded."""
    refunds: tuple[WaitingRefund, ...]
    unsettled_wei: Wei | None
    """What the provider says is owed and not settled yet; `None` where it was not asked or does not answer."""
    acknowledged: bool
    """Whether the user takes the provider's signer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerMoney:
    """The pooled deposit."""

    total_wei: Wei
    available_wei: Wei
    """Can be refunded to the wallet, or transferred to providers."""
    locked_wei: Wei
    """Lies with providers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """Everything that belongs to one address."""

    address: Address
    wallet_wei: Wei
    ledger: LedgerMoney | None
    """`None` before the first deposit."""
    providers: tuple[ProviderMoney, ...]
    chain_time_s: int
    """Of the newest block, which refunds are measured by."""
