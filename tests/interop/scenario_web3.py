"""web3.py 8 against a running node: `python -m tests.interop.scenario_web3 URL [CHAPTER…]`."""

import json
import sys
import traceback
from importlib.metadata import version

import pytest

from tests.interop.web3py import accounts, contracts, developer, inspection, traces, transactions
from tests.interop.web3py.common import Chapter, connect
from tests.interop.web3py.subscriptions import subscriptions

CHAPTERS: dict[str, Chapter] = {
    "sequentialDeployments": accounts.sequential_deployments,
    "parallelDeployments": accounts.parallel_deployments,
    "deployment": contracts.deployment,
    "failures": contracts.failures,
    "events": contracts.events,
    "filters": contracts.filters,
    "missing": contracts.missing,
    "subscriptions": subscriptions,
    "transactionTypes": transactions.transaction_types,
    "delegation": transactions.delegation,
    "fees": transactions.fees,
    "pool": transactions.pool,
    "poolErrors": transactions.pool_errors,
    "unlocked": transactions.unlocked,
    "snapshots": developer.snapshots,
    "timeTravel": developer.time_travel,
    "impersonation": developer.impersonation,
    "multicall": developer.multicall,
    "overrides": developer.overrides,
    "typedData": developer.typed_data,
    "simulations": inspection.simulations,
    "proofs": inspection.proofs,
    "poolContent": inspection.pool_content,
    "gethTraces": traces.geth_traces,
    "treeTraces": traces.tree_traces,
    "accessLists": traces.access_lists,
    "unknownMethod": developer.unknown_method,
}


def main(url: str, *names: str) -> None:
    """Run the chapters named, or all, and print one JSON line: what each found, or how it failed."""
    context = connect(url)
    report: dict[str, object] = {}
    for name in names or CHAPTERS:
        try:
            report[name] = {"found": CHAPTERS[name](context)}
        except (Exception, pytest.fail.Exception):  # noqa: BLE001 - Whatever a chapter fails with is what the report is for.
            report[name] = {"failure": traceback.format_exc()}
    sys.stdout.write(json.dumps({"client": f"web3.py {version('web3')}", "chapters": report}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
