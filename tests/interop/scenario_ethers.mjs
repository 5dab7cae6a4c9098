// ethers 6 against a running node: `node scenario_ethers.mjs URL [CHAPTER…]`.

import * as ethers from "ethers";

import { runChapters, MNEMONIC } from "./scenario.mjs";
import { parallelDeployments, sequentialDeployments } from "./ethers/accounts.mjs";
import { deployment, failures, events, filters, subscriptions } from "./ethers/contracts.mjs";
import { transactionTypes, delegation, estimates, fees, pool, poolErrors } from "./ethers/transactions.mjs";
import { snapshots, timeTravel, impersonation, multicall, typedData, unknownMethod } from "./ethers/developer.mjs";

async function open(url) {
  const options = { staticNetwork: true, cacheTimeout: -1, pollingInterval: 50 };
  const provider = new ethers.JsonRpcProvider(url, undefined, { ...options, polling: true });
  const filtering = new ethers.JsonRpcProvider(url, undefined, { ...options, polling: false });
  filtering.pollingInterval = 50;
  const socket = new ethers.WebSocketProvider(url.replace(/^http/, "ws"));
  const wallets = Array.from({ length: 10 }, (_, index) =>
    ethers.HDNodeWallet.fromPhrase(MNEMONIC, undefined, `m/44'/60'/0'/0/${index}`).connect(provider),
  );
  const close = async () => {
    provider.destroy();
    filtering.destroy();
    await socket.destroy();
  };
  return { provider, filtering, socket, wallets, close };
}

await runChapters(
  `ethers ${ethers.version}`,
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
    estimates,
    fees,
    pool,
    poolErrors,
    snapshots,
    timeTravel,
    impersonation,
    multicall,
    typedData,
    unknownMethod,
  },
  open,
);
