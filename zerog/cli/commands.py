"""Every command: where it is, what it does in a line, how it is used, and where to read on. Loaded when it is asked for.

What is here is what `zerog --help` shows, in this order; each command's own help ends with its example and its page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["COMMANDS", "Command", "Section", "find"]


@dataclass(frozen=True, slots=True)
class Command:
    """A command, or a word that has commands of its own."""

    name: str
    help: str
    function: str | None = None
    """Module and name of what it calls, or of an application that has its commands by itself; `None` if it has only those below."""
    example: str = ""
    """A command line that works on a network of one's own, but for the names of files, addresses and roots."""
    page: str = ""
    """Where to read on, below `docs/`."""
    commands: tuple["Command", ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """Commands that stand together in the help."""

    title: str
    commands: tuple[Command, ...]


STORAGE: Final = (
    Command("put", "Store a file or a directory, and print its root.", "zerog.cli.storage:put", "put report.pdf", "storage/client.md"),
    Command("get", "Fetch a file or a directory, every byte held against its root.", "zerog.cli.storage:get", "get ROOT -o copy.pdf",
            "storage/client.md"),
    Command("stat", "Show what the nodes know of a file.", "zerog.cli.storage:stat", "stat ROOT", "storage/client.md"),
    Command("ls", "List the files of the network, or what is in a stored directory.", "zerog.cli.storage:ls", "ls", "storage/client.md"),
    Command("scrub", "Check every byte that the nodes store; what is damaged is fetched from peers.", "zerog.cli.storage_scrub:scrub",
            "scrub", "storage/upkeep.md"),
    Command("expiring", "List the files of the network with the ends of their lives.", "zerog.cli.storage:expiring", "expiring",
            "storage/upkeep.md"),
    Command("run", "Run a storage node in the foreground.", "zerog.cli.storage_node:run", "run --chain-url http://127.0.0.1:8545",
            "storage/node.md"),
    Command("indexer", "Run an indexer with its router and gateway in the foreground.", "zerog.cli.storage_indexer:run",
            "indexer --nodes http://127.0.0.1:5678", "storage/indexer.md"),
    Command("serve", "Run the nodes of this folder's network and their indexer, as 'zerog up' does.", "zerog.cli.storage_service:run",
            "serve", "local-network.md"),
)  # fmt: skip

KV_PAGE: Final = "storage/kv.md"
KV: Final = (
    Command("put", "Write a key.", "zerog.cli.kv:put", "put notes greeting hello", KV_PAGE),
    Command("get", "Print a value, or write it into a file.", "zerog.cli.kv:get", "get notes greeting", KV_PAGE),
    Command("delete", "Delete a key.", "zerog.cli.kv:delete", "delete notes greeting", KV_PAGE),
    Command("list", "List the keys of a stream.", "zerog.cli.kv:list_", "list notes", KV_PAGE),
    Command("streams", "List the streams that the node follows.", "zerog.cli.kv:streams", "streams", KV_PAGE),
    Command("follow", "Ask the node to follow a stream.", "zerog.cli.kv:follow", "follow notes", KV_PAGE),
    Command("result", "Say what became of a submission.", "zerog.cli.kv:result", "result 1", KV_PAGE),
    Command("grant", "Let an account administer or write a stream, or write one special key.", "zerog.cli.kv:grant",
            "grant notes ACCOUNT --writer", KV_PAGE),
    Command("revoke", "Take from an account what was granted.", "zerog.cli.kv:revoke",
            "revoke notes ACCOUNT --writer", KV_PAGE),
    Command("renounce", "Give up a right of one's own.", "zerog.cli.kv:renounce", "renounce notes --writer", KV_PAGE),
    Command("special", "Make a key one with writers of its own.", "zerog.cli.kv:special", "special notes greeting", KV_PAGE),
    Command("rights", "Show what an account may do in a stream.", "zerog.cli.kv:rights",
            "rights notes ACCOUNT", KV_PAGE),
    Command("run", "Run a key-value node in the foreground.", "zerog.cli.kv_node:run", "run --stream all",
            "storage/kv-node.md"),
)  # fmt: skip

DA_ROLES: Final = (
    Command("encoder", "Computes rows, commitments and proofs of blobs.", "zerog.cli.da_roles:encoder", "encoder", "da/setups.md"),
    Command("disperser", "Takes blobs and brings them to a quorum.", "zerog.cli.da_roles:disperser", "disperser", "da/disperser.md"),
    Command("signer", "Checks, signs and keeps its rows of every blob.", "zerog.cli.da_roles:signer", "signer", "da/signer.md"),
    Command("retriever", "Puts blobs together from the rows of signers.", "zerog.cli.da_roles:retriever", "retriever", "da/retriever.md"),
    Command("gateway", "Stores batches of rollups, and takes samples of blobs.", "zerog.cli.da_roles:gateway", "gateway", "da/rollups.md"),
)

DA_SETUP: Final = (
    Command("make", "Make parameters whose secret number nobody knows.", "zerog.cli.da_setup:make", "make FOLDER", "da/setups.md"),
)

DA: Final = (
    Command("put", "Disperse a file as a blob, and print its name.", "zerog.cli.da:put", "put batch.bin", "da/index.md"),
    Command("get", "Fetch a blob, every byte held against its root.", "zerog.cli.da:get", "get NAME -o batch.bin", "da/index.md"),
    Command("status", "Show where a blob is on its way.", "zerog.cli.da:status", "status REQUEST", "da/index.md"),
    Command("sample", "Look whether a blob can be had, without fetching it.", "zerog.cli.da:sample", "sample NAME --samples 8",
            "da/sampling.md"),
    Command("ls", "List the blobs of the disperser.", "zerog.cli.da:ls", "ls --status failed", "da/index.md"),
    Command("serve", "Run all services of this folder's network, as 'zerog up' does.", "zerog.cli.da_service:run", "serve",
            "local-network.md"),
    Command("run", "One service by itself, in the foreground.", page="da/index.md", commands=DA_ROLES),
    Command("setup", "Parameters that proofs of DA are made with.", page="da/setups.md", commands=DA_SETUP),
)  # fmt: skip

FUND: Final = (
    Command("deposit", "From the wallet into the ledger.", "zerog.cli.compute_fund:deposit", "deposit 3", "compute/quickstart.md"),
    Command("transfer", "From the ledger to the account with a provider.", "zerog.cli.compute_fund:transfer", "transfer PROVIDER 1",
            "compute/quickstart.md"),
    Command("retrieve", "Ask money back from providers.", "zerog.cli.compute_fund:retrieve", "retrieve", "compute/quickstart.md"),
    Command("refund", "From the ledger back to the wallet.", "zerog.cli.compute_fund:refund", "refund", "compute/quickstart.md"),
)  # fmt: skip

COMPUTE: Final = (
    Command("list", "List the services of the market.", "zerog.cli.compute:list_", "list --models", "compute/quickstart.md"),
    Command("account", "Show where the money is.", "zerog.cli.compute:account", "account", "compute/quickstart.md"),
    Command("chat", "Ask a model, and pay for the answer.", "zerog.cli.compute:chat", 'chat "Tell me of a tree." --save answer.json',
            "compute/quickstart.md"),
    Command("receipt", "Add the settlement to a saved answer.", "zerog.cli.verify:receipt", "receipt answer.json --wait",
            "compute/verify.md"),
    Command("receipts", "List what a provider has charged for.", "zerog.cli.verify:receipts", "receipts PROVIDER", "compute/verify.md"),
    Command("verify", "Check a saved answer; the same as 'zerog verify'.", "zerog.cli.verify:verify", "verify answer.json",
            "compute/verify.md"),
    Command("key", "Make or revoke API keys for OpenAI clients.", "zerog.cli.compute:key", "key create PROVIDER --days 7",
            "compute/quickstart.md"),
    Command("limit", "Show or set what may be spent.", "zerog.cli.compute:limit", "limit --per-day 5", "compute/quickstart.md"),
    Command("acknowledge", "Accept signers of providers, as the contract's owner.", "zerog.cli.compute_owner:acknowledge", "acknowledge",
            "operate/real-network.md"),
    Command("run", "Run a compute provider in the foreground.", "zerog.cli.compute_node:run", "run --chain-url http://127.0.0.1:8545",
            "compute/provider.md"),
    Command("serve", "Run the provider of this folder's network, as 'zerog up' does.", "zerog.cli.compute_service:run", "serve",
            "local-network.md"),
    Command("fund", "Money between wallet, ledger and accounts with providers.", page="compute/quickstart.md", commands=FUND),
)  # fmt: skip

MODEL: Final = (
    Command("list", "List the models of this machine, and those that can be fetched.", "zerog.cli.model:list_", "list",
            "compute/models.md"),
    Command("pull", "Fetch a model by name, held against its hash.", "zerog.cli.model:pull_", "pull smollm2", "compute/models.md"),
    Command("add", "Check a GGUF file and take it in.", "zerog.cli.model:add_", "add model.gguf", "compute/models.md"),
    Command("rm", "Remove a model from this machine.", "zerog.cli.model:remove_", "rm NAME", "compute/models.md"),
)  # fmt: skip

MINER: Final = (
    Command("status", "Show what the miner does and did.", "zerog.cli.miner:status", "status", "storage/mining.md"),
    Command("rewards", "Show what it earned, and what can be withdrawn.", "zerog.cli.miner:rewards", "rewards", "storage/mining.md"),
    Command("withdraw", "Have that paid out to its account.", "zerog.cli.miner:withdraw", "withdraw", "storage/mining.md"),
    Command("forecast", "Show what it may earn.", "zerog.cli.miner:forecast", "forecast", "storage/mining.md"),
    Command("start", "Let it mine again.", "zerog.cli.miner:start", "start", "storage/mining.md"),
    Command("stop", "Let it pause.", "zerog.cli.miner:stop", "stop", "storage/mining.md"),
)

CHAIN: Final = (
    Command("run", "Run a chain node in the foreground.", "zerog.cli.chain:run", "run --follow http://127.0.0.1:8545",
            "chain/follower.md"),
    Command("import", "Take a chain that others made into this folder.", "zerog.cli.chain:import_chain",
            "import blocks.rlp --genesis genesis.json", "chain/import.md"),
)  # fmt: skip

COMMANDS: Final = (
    Section("Start here", (
        Command("up", "Start the network of this folder: chain, storage, DA and compute.", "zerog.cli.network:up", "up --wait",
                "local-network.md"),
        Command("status", "Show on one screen how it is.", "zerog.cli.network:status", "status", "local-network.md"),
        Command("account", "Show accounts: keys, and money on every layer.", "zerog.cli.account:app"),
        Command("faucet", "Send 0G to an address, on a network of your own.", "zerog.cli.faucet:faucet",
                "faucet 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 --amount 2.5", "local-network.md"),
        Command("demo", "Live the life of an AI answer, and show the proof of each step.", "zerog.cli.demo:demo", "demo", "demo.md"),
        Command("down", "Stop the network; its state stays.", "zerog.cli.network:down", "down", "local-network.md"),
    )),
    Section("Use it", (
        Command("storage", "Files on 0G Storage: put, get, ls, …", page="storage/client.md", commands=STORAGE),
        Command("kv", "Key-value streams on 0G Storage: put, get, list, …", page=KV_PAGE, commands=KV),
        Command("da", "Blobs on 0G DA: put, get, sample, …", page="da/index.md", commands=DA),
        Command("compute", "Inference on 0G Compute: chat, list, fund, …", page="compute/quickstart.md", commands=COMPUTE),
        Command("verify", "Check a saved answer of a model, against one chain node alone.", "zerog.cli.verify:verify",
                "verify answer.json", "compute/verify.md"),
    )),
    Section("Look after it", (
        Command("logs", "Print what it says.", "zerog.cli.network:logs", "logs --follow", "local-network.md"),
        Command("reset", "Remove its state; its settings stay.", "zerog.cli.network:reset", "reset", "local-network.md"),
        Command("model", "The model files of this machine.", page="compute/models.md", commands=MODEL),
        Command("miner", "The miner of a storage node, which is paid for what the node keeps.", page="storage/mining.md", commands=MINER),
        Command("chain", "The chain node by itself, and chains of others.", page="chain/follower.md", commands=CHAIN),
        Command("completion", "Let your shell complete these commands.", "zerog.cli.completion:completion", "completion bash",
                "local-network.md"),
        Command("version", "Print the version of zerog and of what it runs on.", "zerog.cli.completion:version", "version",
                "local-network.md"),
    )),
)  # fmt: skip


def find(path: Sequence[str]) -> Command | None:
    """The command that those words name; `None` if there is none."""
    found: Command | None = None
    commands = [command for section in COMMANDS for command in section.commands]
    for word in path:
        found = next((command for command in commands if command.name == word), None)
        if found is None:
            return None
        commands = list(found.commands)
    return found
