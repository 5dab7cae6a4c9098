"""What a provider's settings may be, and what is said of those that cannot."""

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tests.unit.compute.provider.stage import key_of
from zerog.chain.client import AsyncChainClient
from zerog.compute.protocol.fees import Prices, PriceTier
from zerog.compute.provider.catalogue import read_catalogue
from zerog.compute.provider.errors import ProviderSettingsError
from zerog.compute.provider.place import find_place
from zerog.compute.provider.settings import ComputeProviderSettings
from zerog.networks import load, own_network, role_account


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"port": -1}, "port"),
        ({"chain_url": "ftp://x"}, "ftp://x"),
        ({"public_url": "http://127.0.0.1:1/"}, "public-url"),
        ({"input_price": -1}, "prices"),
        ({"cache_divisor": 0}, "cache-divisor"),
        ({"concurrent": -1}, "limit"),
        ({"settle_interval_s": 0.0}, "settle-interval"),
        ({"jobs_waiting": 0}, "jobs-waiting"),
        ({"model": ""}, "model"),
        ({"private_key": "01", "key_file": Path("k")}, "key-file"),
    ],
)
def test_settings_that_cannot_be_are_named(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ProviderSettingsError, match=named):
        ComputeProviderSettings(**changes)


def test_what_stands_on_chain_is_the_dearest_of_all_models(tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    path.write_text(
        '[[model]]\nid = "a"\ninput_price = "100000000000000000000"\noutput_price = 5\n'
        "tiers = [{ max_input_tokens = 10 }, { input_multiplier = 3, input_denominator = 2, output_multiplier = 2 }]\n"
        '[[model]]\nid = "b"\ninput_price = 1\noutput_price = 7\ncache_divisor = 4\n'
    )
    catalogue = read_catalogue(ComputeProviderSettings(models=path))
    assert catalogue.ceiling() == Prices(input_wei=150 * 10**18, output_wei=10)
    assert catalogue.first.prices.tiers[1] == PriceTier(max_input_tokens=0, input_multiplier=3, input_denominator=2, output_multiplier=2)
    assert catalogue.models[1].info("0x")["pricing"] == {"prompt": "1", "completion": "7", "cache_token_billing": {"divisor": 4}}


@pytest.mark.parametrize(
    "text", ["", "model = 7", '[[model]]\nid = "a"\nprice = 1', '[[model]]\nid = "a"\n[[model]]\nid = "a"', "not toml"]
)
def test_a_file_of_models_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "models.toml"
    path.write_text(text)
    with pytest.raises(ProviderSettingsError, match="models"):
        read_catalogue(ComputeProviderSettings(models=path))


def client_of(chain_id: int) -> AsyncChainClient:
    """A node that knows its chain id, and nothing else."""

    def answer(request: httpx.Request) -> httpx.Response:
        number = msgspec.json.decode(request.content)["id"]
        return httpx.Response(200, json={"jsonrpc": "2.0", "id": number, "result": hex(chain_id)})

    return AsyncChainClient("http://node", transport=httpx.MockTransport(answer))


@pytest.mark.anyio
async def test_the_chain_says_which_contract_and_which_key(tmp_path: Path) -> None:
    local = load("local")
    assert local.genesis is not None
    provider = role_account(local.genesis.mnemonic, "compute")
    for chain_id, network in ((local.chain_id, local), (4711, own_network(chain_id=4711))):
        place = await find_place(client_of(chain_id), ComputeProviderSettings())
        assert (place.chain_id, place.contract, place.account) == (chain_id, network.addresses["inference_serving"], provider)
    with pytest.raises(ProviderSettingsError, match="key-file"):
        await find_place(client_of(load("mainnet").chain_id), ComputeProviderSettings())
    path = tmp_path / "key"
    path.write_text(f"0x{key_of('own').private_key.hex()}\n")
    path.chmod(0o644)
    with pytest.raises(ProviderSettingsError, match="can be read by others"):
        await find_place(client_of(load("mainnet").chain_id), ComputeProviderSettings(key_file=path))
    path.chmod(0o600)
    place = await find_place(client_of(load("mainnet").chain_id), ComputeProviderSettings(key_file=path))
    assert (place.contract, place.account) == (load("mainnet").addresses["inference_serving"], key_of("own"))
