"""`zerog compute acknowledge`: what the owner of the serving contract does, so that users can pay a provider."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from zerog.cli.compute import PLACE, Place
from zerog.cli.compute_options import ComputeArgumentError, ComputePlace, provider_of
from zerog.cli.output import AsJson, WorkingFolder, print_json, say
from zerog.primitives import ZERO_ADDRESS

if TYPE_CHECKING:
    from zerog.compute.client import ComputeClient
    from zerog.contracts.compute import InferenceService

__all__ = ["acknowledge"]

OWNER_ACCOUNT: Final = 1
"""Which of the accounts of compute owns the contracts on a network of our own."""


def acknowledge(*providers: str, place: Place = PLACE, json: AsJson = False, directory: WorkingFolder = Path()) -> None:
    """Accept signers of providers, as the owner of the serving contract. Before that nobody can pay them.

    On a public network look first at what evidence the provider shows. On a network of our own the owner's key is known.

    Parameters
    ----------
    providers
        Their addresses; all that wait for it if none is named.
    """
    wanted = [provider_of(provider) for provider in providers]
    done = []
    with _as_owner(place, directory).connect(directory) as compute:
        found = [compute.market.service(provider) for provider in wanted] or list(compute.services(unusable=True))
        for service in found:
            if not service.is_signer_acknowledged and service.params.signer != ZERO_ADDRESS:
                _acknowledge(compute, service)
                done.append(service)
    if json:
        print_json([{"provider": str(service.provider), "signer": str(service.params.signer)} for service in done])
        return
    for service in done:
        print(f"{service.provider}  signer {service.params.signer}")
    if not done:
        say("nobody waits for it" if found else "there is no service yet")


def _as_owner(place: ComputePlace, directory: Path) -> ComputePlace:
    """The same market with the owner's key, where everybody knows it and no other was named. Raises `ComputeArgumentError`."""
    from zerog.chain.client import ChainClient
    from zerog.networks import load, public_name, role_account

    if place.key is not None:
        return place
    with ChainClient(place.place(directory).chain_url) as chain:
        chain_id = int(chain.chain_id())
    genesis = load("local").genesis
    if genesis is None or public_name(chain_id) is not None:
        raise ComputeArgumentError(f"on chain {chain_id} only the contract's owner may do this: give its key with --key")
    return replace(place, key=role_account(genesis.mnemonic, "compute", OWNER_ACCOUNT).private_key.hex())


def _acknowledge(compute: "ComputeClient", service: "InferenceService") -> None:
    """Raises the contract's refusal, and `ComputeArgumentError` when the transaction reverts."""
    from zerog.chain.client import RpcError
    from zerog.compute.client.market import refusal_of
    from zerog.contracts.compute import INFERENCE_SERVING

    market = compute.market
    data = INFERENCE_SERVING.function("acknowledgeTEESignerByOwner").encode(bytes(service.provider))
    try:
        receipt = market.chain.wait_for_receipt(market.chain.send(market.contracts.serving, data=data, account=compute.account))
    except RpcError as error:
        raise refusal_of(error) from None
    if not receipt.succeeded:
        raise ComputeArgumentError(f"the contract did not take {service.provider}: is the key that of its owner?")
