// viem 2 against a running node: `node scenario_viem.mjs URL [CHAPTER…]`.

import { readFileSync } from "node:fs";

import { createPublicClient, createTestClient, createWalletClient, defineChain, http, webSocket } from "viem";
import { mnemonicToAccount } from "viem/accounts";

import { MNEMONIC, MULTICALL3, runChapters } from "./scenario.mjs";
import { parallelDeployments, sequentialDeployments } from "./viem/accounts.mjs";
import { deployment, failures, events, filters, subscriptions } from "./viem/contracts.mjs";
import { callErrors, delegation, fees, pool, poolErrors, transactionTypes } from "./viem/transactions.mjs";
import { snapshots, stateFile, timeTravel, impersonation } from "./viem/developer.mjs";
import { blocks, logRanges, multicall, overrides, requestBatches, typedData } from "./viem/reading.mjs";
import {
  accessLists,
  feeHistory,
  filledTransactions,
  proofs,
  simulatedBlocks,
  simulatedCalls,
  storageValues,
  synchronousSends,
} from "./viem/simulation.mjs";

async function open(url) {
  const chain = defineChain({
    id: Number(process.env.CHAIN_ID ?? 31337),
    name: "zerog local",
    nativeCurrency: { name: "0G", symbol: "0G", decimals: 18 },
    rpcUrls: { default: { http: [url] } },
    contracts: { multicall3: { address: MULTICALL3, blockCreated: 0 } },
  });
  const common = { chain, transport: http(url, { retryCount: 0 }), pollingInterval: 50, cacheTime: 0 };
  const socket = createPublicClient({ ...common, transport: webSocket(url.replace(/^http/, "ws"), { retryCount: 0, reconnect: false }) });
  const { close } = await socket.transport.getRpcClient();
  return {
    url,
    chain,
    socket,
    reader: createPublicClient(common),
    batching: createPublicClient({ ...common, batch: { multicall: { wait: 1 } } }),
    writer: createWalletClient(common),
    dev: createTestClient({ ...common, mode: "hardhat" }),
    anvil: createTestClient({ ...common, mode: "anvil" }),
    accounts: Array.from({ length: 10 }, (_, addressIndex) => mnemonicToAccount(MNEMONIC, { addressIndex })),
    close: async () => close(),
  };
}

const { version } = JSON.parse(readFileSync(new URL("node_modules/viem/package.json", import.meta.url), "utf8"));
await runChapters(
  `viem ${version}`,
  {
    sequentialDeployments,
    parallelDeployments,
    deployment,
    failures,
    events,
    filters,
    subscriptions,
    transactionTypes,
    delegation,
    fees,
    pool,
    poolErrors,
    callErrors,
    snapshots,
    stateFile,
    timeTravel,
    impersonation,
    blocks,
    logRanges,
    multicall,
    overrides,
    requestBatches,
    typedData,
    simulatedBlocks,
    simulatedCalls,
    proofs,
    storageValues,
    accessLists,
    filledTransactions,
    synchronousSends,
    feeHistory,
  },
  open,
);
