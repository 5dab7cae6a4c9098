"""All commands in one application, and what happens when one fails."""

import os
import platform
import sys
from collections.abc import Sequence
from typing import Final

import cyclopts

from zerog import __version__
from zerog.cli import network
from zerog.cli.early import network_folder
from zerog.cli.output import AsJson, OutputLostError, print_json, tell_error
from zerog.devnet.folder import NetworkFolder
from zerog.primitives.errors import ZerogError
from zerog.runtime.settings import parameter_rules, sources

__all__ = ["make_app", "run"]

EXIT_USAGE: Final = 2
"""The command line cannot be understood."""
STORAGE_COMMANDS: Final = (
    ("put", "zerog.cli.storage:put", "Store a file or a directory, and print its root."),
    ("get", "zerog.cli.storage:get", "Fetch a file or a directory, every byte held against its root."),
    ("stat", "zerog.cli.storage:stat", "Show what the nodes know of a file."),
    ("ls", "zerog.cli.storage:ls", "List the files of the network, or what is in a stored directory."),
    ("scrub", "zerog.cli.storage_scrub:scrub", "Check every byte that the nodes store; what is damaged is fetched from peers."),
    ("expiring", "zerog.cli.storage:expiring", "List the files of the network with the ends of their lives."),
    ("run", "zerog.cli.storage_node:run", "Run a storage node in the foreground."),
    ("indexer", "zerog.cli.storage_indexer:run", "Run an indexer with its router and gateway in the foreground."),
    ("serve", "zerog.cli.storage_service:run", "Run the nodes of this folder's network and their indexer, as 'zerog up' does."),
)
"""Loaded when they are asked for: name, function, help."""
KV_COMMANDS: Final = (
    ("put", "zerog.cli.kv:put", "Write a key."),
    ("get", "zerog.cli.kv:get", "Print a value, or write it into a file."),
    ("delete", "zerog.cli.kv:delete", "Delete a key."),
    ("list", "zerog.cli.kv:list_", "List the keys of a stream."),
    ("streams", "zerog.cli.kv:streams", "List the streams that the node follows."),
    ("follow", "zerog.cli.kv:follow", "Ask the node to follow a stream."),
    ("result", "zerog.cli.kv:result", "Say what became of a submission."),
    ("grant", "zerog.cli.kv:grant", "Let an account administer or write a stream, or write one special key."),
    ("revoke", "zerog.cli.kv:revoke", "Take from an account what was granted."),
    ("renounce", "zerog.cli.kv:renounce", "Give up a right of one's own."),
    ("special", "zerog.cli.kv:special", "Make a key one with writers of its own."),
    ("rights", "zerog.cli.kv:rights", "Show what an account may do in a stream."),
    ("run", "zerog.cli.kv_node:run", "Run a key-value node in the foreground."),
)
"""Likewise."""

MINER_COMMANDS: Final = (
    ("status", "zerog.cli.miner:status", "Show what the miner does and did."),
    ("rewards", "zerog.cli.miner:rewards", "Show what it earned, and what can be withdrawn."),
    ("withdraw", "zerog.cli.miner:withdraw", "Have that paid out to its account."),
    ("forecast", "zerog.cli.miner:forecast", "Show what it may earn."),
    ("start", "zerog.cli.miner:start", "Let it mine again."),
    ("stop", "zerog.cli.miner:stop", "Let it pause."),
)
"""Likewise."""

DA_COMMANDS: Final = (
    ("put", "zerog.cli.da:put", "Disperse a file as a blob, and print its name."),
    ("get", "zerog.cli.da:get", "Fetch a blob, every byte held against its root."),
    ("status", "zerog.cli.da:status", "Show where a blob is on its way."),
    ("sample", "zerog.cli.da:sample", "Look whether a blob can be had, without fetching it."),
    ("ls", "zerog.cli.da:ls", "List the blobs of the disperser."),
    ("serve", "zerog.cli.da_service:run", "Run all services of this folder's network, as 'zerog up' does."),
)
"""Likewise."""

DA_ROLES: Final = (
    ("encoder", "zerog.cli.da_roles:encoder", "Computes rows, commitments and proofs of blobs."),
    ("disperser", "zerog.cli.da_roles:disperser", "Takes blobs and brings them to a quorum."),
    ("signer", "zerog.cli.da_roles:signer", "Checks, signs and keeps its rows of every blob."),
    ("retriever", "zerog.cli.da_roles:retriever", "Puts blobs together from the rows of signers."),
    ("gateway", "zerog.cli.da_roles:gateway", "Stores batches of rollups, and takes samples of blobs."),
)
"""Likewise."""

COMPUTE_COMMANDS: Final = (
    ("list", "zerog.cli.compute:list_", "List the services of the market."),
    ("account", "zerog.cli.compute:account", "Show where the money is."),
    ("chat", "zerog.cli.compute:chat", "Ask a model, and pay for the answer."),
    ("receipt", "zerog.cli.verify:receipt", "Add the settlement to a saved answer."),
    ("receipts", "zerog.cli.verify:receipts", "List what a provider has charged for."),
    ("verify", "zerog.cli.verify:verify", "Check a saved answer; the same as 'zerog verify'."),
    ("key", "zerog.cli.compute:key", "Make or revoke API keys for OpenAI clients."),
    ("limit", "zerog.cli.compute:limit", "Show or set what may be spent."),
    ("run", "zerog.cli.compute_node:run", "Run a compute provider in the foreground."),
    ("serve", "zerog.cli.compute_service:run", "Run the provider of this folder's network, as 'zerog up' does."),
)
"""Likewise."""

FUND_COMMANDS: Final = (
    ("deposit", "zerog.cli.compute_fund:deposit", "From the wallet into the ledger."),
    ("transfer", "zerog.cli.compute_fund:transfer", "From the ledger to the account with a provider."),
    ("retrieve", "zerog.cli.compute_fund:retrieve", "Ask money back from providers."),
    ("refund", "zerog.cli.compute_fund:refund", "From the ledger back to the wallet."),
)
"""Likewise."""

MODEL_COMMANDS: Final = (
    ("list", "zerog.cli.model:list_", "List the models of this machine, and those that can be fetched."),
    ("pull", "zerog.cli.model:pull_", "Fetch a model by name, held against its hash."),
    ("add", "zerog.cli.model:add_", "Check a GGUF file and take it in."),
    ("rm", "zerog.cli.model:remove_", "Remove a model from this machine."),
)
"""Likewise."""


def run(arguments: Sequence[str]) -> int:
    """Perform a command line. Returns the exit code; nothing that is expected shows a traceback."""
    try:
        app = make_app(network_folder(arguments))
        result = app(list(arguments), result_action="return_value", exit_on_error=False)
        sys.stdout.flush()
    except cyclopts.CycloptsError:
        return EXIT_USAGE  # Told already, in words, by the parser.
    except OutputLostError as error:
        _drop_output()
        tell_error(error)
        return 1
    except ZerogError as error:
        tell_error(error)
        return 1
    except BrokenPipeError:
        _drop_output()  # Whoever read our output has enough.
        return 0
    return result if isinstance(result, int) else 0


def _drop_output() -> None:
    """What is still buffered goes nowhere, instead of failing once more when the process ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def make_app(folder: NetworkFolder) -> cyclopts.App:
    """The application for one network's folder, whose settings file it reads."""
    app = cyclopts.App(
        name="zerog",
        help="The 0G stack on your machine. 'zerog up' starts a network in this folder.",
        help_format="plaintext",
        version=__version__,
        config=sources(folder.path),
        default_parameter=parameter_rules(),
    )
    for command in (network.up, network.down, network.reset, network.status, network.logs, version):
        app.command(command)
    chain = cyclopts.App(name="chain", help="The chain node by itself.")
    chain.command("zerog.cli.chain:run", name="run", help="Run a chain node in the foreground.")
    chain.command("zerog.cli.chain:import_chain", name="import", help="Take a chain that others made into this folder.")
    app.command(chain)
    storage = cyclopts.App(name="storage", help="Files on 0G Storage, and the programs that keep them.")
    for name, function, text in STORAGE_COMMANDS:
        storage.command(function, name=name, help=text)
    app.command(storage)
    kv = cyclopts.App(name="kv", help="Key-value streams on 0G Storage, and the node that serves them.")
    for name, function, text in KV_COMMANDS:
        kv.command(function, name=name, help=text)
    app.command(kv)
    app.command(_da())
    app.command(_compute())
    app.command("zerog.cli.demo:demo", name="demo", help="Live the life of an AI answer, and show the proof of each step.")
    app.command("zerog.cli.verify:verify", name="verify", help="Check a saved answer of a model, against one chain node alone.")
    model = cyclopts.App(name="model", help="The model files of this machine, for the built-in engine.")
    for name, function, text in MODEL_COMMANDS:
        model.command(function, name=name, help=text)
    app.command(model)
    miner = cyclopts.App(name="miner", help="The miner of a storage node, which is paid for what the node keeps.")
    for name, function, text in MINER_COMMANDS:
        miner.command(function, name=name, help=text)
    app.command(miner)
    return app


def _da() -> cyclopts.App:
    da = cyclopts.App(name="da", help="Blobs on 0G DA, and the programs that keep them available.")
    for name, function, text in DA_COMMANDS:
        da.command(function, name=name, help=text)
    roles = cyclopts.App(name="run", help="One service by itself, in the foreground.")
    for name, function, text in DA_ROLES:
        roles.command(function, name=name, help=text)
    da.command(roles)
    return da


def _compute() -> cyclopts.App:
    compute = cyclopts.App(name="compute", help="Inference on 0G Compute, and the provider that sells it.")
    for name, function, text in COMPUTE_COMMANDS:
        compute.command(function, name=name, help=text)
    fund = cyclopts.App(name="fund", help="Money between wallet, ledger and accounts with providers.")
    for name, function, text in FUND_COMMANDS:
        fund.command(function, name=name, help=text)
    compute.command(fund)
    return compute


def version(*, json: AsJson = False) -> None:
    """Print the version of zerog and of what it runs on."""
    facts = {"zerog": __version__, "python": platform.python_version(), "system": platform.system(), "machine": platform.machine()}
    if json:
        print_json(facts)
    else:
        print(f"zerog {__version__} (Python {facts['python']}, {facts['system']} {facts['machine']})")
