"""The codecs of compute against the contracts themselves: what was sent comes back, and every refusal has words."""

from typing import Any

import pytest

from tests.contracts.compute.market import (
    ETHER,
    INFERENCE,
    LEDGER,
    SERVING,
    SIGNER,
    STAKE,
    Market,
    RevertedError,
    Settlement,
)
from zerog._kernel import abi_encode
from zerog.contracts.compute import (
    INFERENCE_SERVING,
    LEDGER_MANAGER,
    FundSpent,
    InferenceAccount,
    InferenceService,
    LedgerAccount,
    RegisteredService,
    ServiceParams,
    SettlementData,
    SettlementPreview,
    SettlementResult,
    SettlementStatus,
)
from zerog.contracts.compute_refusals import ERRORS, WORDS, ComputeCallRefusedError, compute_refusal
from zerog.contracts.interface import AbiValue
from zerog.primitives import DecodeError, Hash32, Wei

PARAMS = ServiceParams(
    service_type="chatbot",
    url="http://127.0.0.1:9000",
    model="a-model",
    verifiability="TeeML",
    input_price_wei=Wei(10),
    output_price_wei=Wei(20),
    additional_info='{"k":1}',
    signer=SIGNER.address,
)


def settlement(market: Market, fee: int, nonce: int) -> SettlementData:
    user, provider, wei, requests_hash, number, signature = Settlement(market.user.address, market.provider.address, fee, nonce).signed()
    return SettlementData(
        user=user,
        provider=provider,
        total_fee_wei=Wei(wei),
        requests_hash=Hash32(requests_hash),
        nonce=number,
        signature=signature,
    )


def test_a_service_comes_back_as_it_was_offered(market: Market) -> None:
    market.transact(market.provider, SERVING.address, PARAMS.call(), STAKE)
    asked = INFERENCE_SERVING.function("getService").encode(market.provider.address)
    service = InferenceService.decode(market.view(SERVING.address, asked))
    assert (service.provider, service.params, service.updated_at) == (market.provider.address, PARAMS, market.now)
    assert service.is_signer_acknowledged is False
    market.send(market.owner, SERVING, "acknowledgeTEESignerByOwner", market.provider.address)
    page, total = InferenceService.decode_page(market.view(SERVING.address, INFERENCE_SERVING.function("getAllServices").encode(0, 0)))
    assert ([found.is_signer_acknowledged for found in page], total) == ([True], 1)


def test_accounts_come_back_with_the_refunds_that_wait(market: Market) -> None:
    market.fund(market.user, market.provider, 2 * ETHER)
    market.retrieve(market.user, market.provider)
    asked = INFERENCE_SERVING.function("getAccount").encode(market.user.address, market.provider.address)
    account = InferenceAccount.decode(market.view(SERVING.address, asked))
    assert (account.balance_wei, account.pending_refund_wei, account.is_acknowledged) == (2 * ETHER, 2 * ETHER, True)
    [refund] = account.refunds
    assert (refund.amount_wei, refund.created_at) == (2 * ETHER, market.now)
    batch = INFERENCE_SERVING.function("getBatchAccountsByUsers").encode([market.other.address, market.user.address])
    assert InferenceAccount.decode_batch(market.view(SERVING.address, batch, market.provider)) == [None, account]
    page = INFERENCE_SERVING.function("getAccountsByUser").encode(market.user.address, 0, 50)
    assert InferenceAccount.decode_page(market.view(SERVING.address, page)) == ([account], 1)
    ledger = LedgerAccount.decode(market.view(LEDGER.address, LEDGER_MANAGER.function("getLedger").encode(market.user.address)))
    assert (ledger.available_wei, ledger.locked_wei, ledger.total_wei) == (ETHER, 2 * ETHER, 3 * ETHER)


def test_settlements_are_previewed_sent_and_told(market: Market) -> None:
    market.transact(market.provider, SERVING.address, PARAMS.call(), STAKE)
    market.send(market.owner, SERVING, "acknowledgeTEESignerByOwner", market.provider.address)
    market.fund(market.user, market.provider, ETHER)
    entries = [settlement(market, 7000, 1), settlement(market, ETHER, 2), settlement(market, 1, 2)]
    assert SettlementData.decode_settle_call(SettlementData.settle_call(entries)) == entries
    preview = SettlementPreview.decode(market.view(SERVING.address, SettlementData.preview_call(entries), market.provider))
    assert preview == SettlementPreview(failed=(), partial=())  # Each by itself.
    receipt = market.transact(market.provider, SERVING.address, SettlementData.settle_call(entries))
    assert [SettlementStatus(status) for _, status, _ in receipt.named("TEESettlementResult")] == [
        SettlementStatus.SUCCESS,
        SettlementStatus.PARTIAL,
        SettlementStatus.INVALID_NONCE,
    ]
    after = SettlementPreview.decode(
        market.view(SERVING.address, SettlementData.preview_call([settlement(market, 5, 2), settlement(market, 5, 3)]), market.provider)
    )
    user = market.user.address
    assert after == SettlementPreview(failed=((user, SettlementStatus.INVALID_NONCE),), partial=((user, Wei(5)),))


def test_events_come_back_from_their_logs(market: Market) -> None:
    user, service = market.user.address, SERVING.address
    spent = FundSpent.decode([FundSpent.TOPIC, bytes(12) + user, bytes(12) + service], (7).to_bytes(32))
    assert spent == FundSpent(user, service, Wei(7))
    told = SettlementResult.decode([SettlementResult.TOPIC, bytes(12) + user], (1).to_bytes(32) + (9).to_bytes(32))
    assert told == SettlementResult(user, SettlementStatus.PARTIAL, Wei(9))
    with pytest.raises(DecodeError, match="is no log of FundSpent"):
        FundSpent.decode([SettlementResult.TOPIC], b"")


def test_a_registered_service_comes_back_by_its_name(market: Market) -> None:
    asked = LEDGER_MANAGER.function("getServiceInfo").encode(SERVING.address)
    service = RegisteredService.decode(market.view(LEDGER.address, asked))
    assert (service.address, service.full_name, service.description) == (SERVING.address, INFERENCE, "Inference")


def refused(market: Market, name: str, *arguments: Any, value: int = 0) -> ComputeCallRefusedError:
    with pytest.raises(RevertedError) as caught:
        market.send(market.user, LEDGER, name, *arguments, value=value)
    refusal = compute_refusal(caught.value.data)
    assert refusal is not None
    return refusal


def test_refusals_name_what_is_wrong_and_what_to_do(market: Market) -> None:
    error = refused(market, "addLedger", "", value=ETHER)
    assert str(error) == f"{ETHER} wei, where {3 * ETHER} are the least (MinimumDepositRequired)"
    assert error.remedy
    market.send(market.user, LEDGER, "depositFund", value=3 * ETHER)
    error = refused(market, "transferFund", market.user.address, INFERENCE, ETHER)
    assert str(error) == "the serving contract refused: nobody is their own provider (ProviderCannotBeUser)"
    assert error.remedy == "choose another provider"


def test_what_the_official_ledger_says_without_a_reason_is_understood() -> None:
    error = compute_refusal(LEDGER_MANAGER.error("CallFailed").selector)
    assert error is not None
    assert (error.name, error.inner, str(error)) == ("CallFailed", None, "the serving contract refused (CallFailed)")
    assert compute_refusal(b"") is None
    assert compute_refusal(bytes.fromhex("08c379a0")) is None
    with pytest.raises(DecodeError):
        compute_refusal(LEDGER_MANAGER.error("LedgerExists").selector + bytes(31))


@pytest.mark.parametrize("error", ERRORS.values(), ids=lambda error: error.signature)
def test_every_error_has_words_that_take_its_arguments(error: Any) -> None:
    samples: dict[str, AbiValue] = {"address": bytes(20), "uint256": 7, "string": "text"}
    refusal = compute_refusal(error.selector + abi_encode(error.inputs, [samples[kind] for kind in error.inputs]))
    assert refusal is not None
    assert refusal.name in str(refusal)
    assert refusal.remedy == WORDS[refusal.name][1]
