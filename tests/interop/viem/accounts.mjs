// viem: account 0 deploys twenty contracts, one after the other and all at once.

import assert from "node:assert/strict";

import { createNonceManager, jsonRpc } from "viem/nonce";

import { COUNTER, deploy } from "./contracts.mjs";

const COUNT = 20;

async function deployTwenty({ reader, accounts: [account] }, deployAll) {
  const nonce = await reader.getTransactionCount({ address: account.address });
  const addresses = await deployAll(account);
  const starts = await Promise.all(addresses.map((address) => reader.readContract({ address, abi: COUNTER.abi, functionName: "value" })));
  assert.deepEqual(starts, addresses.map((_, index) => BigInt(index)));
  assert.equal(await reader.getTransactionCount({ address: account.address }), nonce + COUNT);
  return { deployer: account.address, nonce, addresses };
}

export async function sequentialDeployments(context) {
  return deployTwenty(context, async (account) => {
    const addresses = [];
    for (let index = 0; index < COUNT; index += 1) addresses.push((await deploy(context, account, COUNTER, [BigInt(index)])).address);
    return addresses;
  });
}

export async function parallelDeployments(context) {
  return deployTwenty(context, async (account) => {
    const counting = { ...account, nonceManager: createNonceManager({ source: jsonRpc() }) };
    const contracts = await Promise.all(Array.from({ length: COUNT }, (_, index) => deploy(context, counting, COUNTER, [BigInt(index)])));
    return contracts.map(({ address }) => address);
  });
}
