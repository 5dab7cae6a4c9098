"""`additionalInfo`: the official names, the contract's limit, and whatever others put on chain."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.compute.protocol.vectors import SIGNER
from zerog.compute.protocol.additional_info import SIMULATED_IMAGE, AdditionalInfo
from zerog.compute.protocol.constants import ADDITIONAL_INFO_BYTES_MAX, ProviderType
from zerog.compute.protocol.errors import AdditionalInfoError
from zerog.compute.protocol.fees import PriceTier
from zerog.primitives import Hash32

FULL = AdditionalInfo(
    verifier_url="https://verifier.example",
    target_separated=True,
    target_tee_address=SIGNER.address,
    provider_type=ProviderType.CENTRALIZED,
    provider_identity="acme",
    image_name=SIMULATED_IMAGE,
    image_digest="sha256:00",
    tiers=(
        PriceTier(max_input_tokens=1000),
        PriceTier(max_input_tokens=0, input_multiplier=3, output_multiplier=5, input_denominator=2, output_denominator=4),
    ),
    cache_divisor=10,
    multi_model=True,
    price_denomination="USD",
    is_simulated=True,
    model_sha256=Hash32(b"\1" * 32),
    model_root=Hash32(b"\2" * 32),
    further={"modelRoot": "0x00"},
)


def test_the_members_have_the_official_names() -> None:
    assert json.loads(FULL.to_json()) == {
        "VerifierURL": "https://verifier.example",
        "TEEVerifier": "dstack",
        "TargetSeparated": True,
        "TargetTeeAddress": str(SIGNER.address),
        "ProviderType": "centralized",
        "ProviderIdentity": "acme",
        "ImageName": SIMULATED_IMAGE,
        "ImageDigest": "sha256:00",
        "tieredPricing": {
            "tiers": [
                {"maxInputTokens": 1000, "inputMultiplier": 1, "outputMultiplier": 1},
                {
                    "maxInputTokens": 0,
                    "inputMultiplier": 3,
                    "outputMultiplier": 5,
                    "inputMultiplierDenominator": 2,
                    "outputMultiplierDenominator": 4,
                },
            ]
        },
        "cacheTokenBilling": {"divisor": 10},
        "MultiModel": True,
        "priceDenomination": "USD",
        "Simulated": True,
        "ModelSha256": "0x" + "01" * 32,
        "ModelRoot": "0x" + "02" * 32,
        "modelRoot": "0x00",
    }


@pytest.mark.parametrize("info", [FULL, AdditionalInfo(), AdditionalInfo(tee_verifier="cryptopilot")])
def test_what_goes_on_chain_comes_back(info: AdditionalInfo) -> None:
    assert AdditionalInfo.from_json(info.to_json()) == info


def test_what_is_left_out_has_the_official_meaning() -> None:
    info = AdditionalInfo.from_json("{}")
    assert (info.tee_verifier, info.target_separated, info.provider_type) == ("dstack", False, ProviderType.DECENTRALIZED)


def test_more_than_the_contract_takes_is_refused_before_it_is_sent() -> None:
    assert AdditionalInfo(further={"a": "é" * 1900}).to_json()
    with pytest.raises(AdditionalInfoError, match=str(ADDITIONAL_INFO_BYTES_MAX)):
        AdditionalInfo(further={"a": "é" * 2100}).to_json()


@given(
    st.text(max_size=60)
    | st.dictionaries(
        st.sampled_from(["TEEVerifier", "tieredPricing", "ProviderType", "TargetTeeAddress", "x"]), st.integers() | st.text()
    ).map(json.dumps)
)
def test_whatever_stands_on_chain_is_read_or_refused(text: str) -> None:
    try:
        info = AdditionalInfo.from_json(text)
    except AdditionalInfoError:
        return
    assert AdditionalInfo.from_json(info.to_json()) == info


@pytest.mark.parametrize(
    "text", ["", "[]", "null", '{"TargetTeeAddress":"0x12"}', '{"ProviderType":"other"}', '{"cacheTokenBilling":{"divisor":0}}']
)
def test_what_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(AdditionalInfoError):
        AdditionalInfo.from_json(text)
