// ethers: account 0 deploys twenty contracts, one after the other and all at once.

import assert from "node:assert/strict";

import * as ethers from "ethers";

import { artefact } from "../scenario.mjs";

const COUNTER = artefact("testing/Counter");
const COUNT = 20;

/** Start value of each counter in turn, read back from where it was deployed. */
async function starts(provider, addresses) {
  const read = (address) => new ethers.Contract(address, COUNTER.abi, provider).value();
  return Promise.all(addresses.map(read));
}

async function deployTwenty({ provider, wallets: [wallet] }, deployAll) {
  const nonce = await wallet.getNonce();
  const contracts = await deployAll(wallet);
  const addresses = await Promise.all(contracts.map((contract) => contract.getAddress()));
  assert.deepEqual(await starts(provider, addresses), contracts.map((_, index) => BigInt(index)));
  assert.equal(await wallet.getNonce(), nonce + COUNT);
  return { deployer: wallet.address, nonce, addresses };
}

export async function sequentialDeployments(context) {
  return deployTwenty(context, async (wallet) => {
    const factory = new ethers.ContractFactory(COUNTER.abi, COUNTER.bytecode, wallet);
    const contracts = [];
    for (let index = 0; index < COUNT; index += 1) {
      const contract = await factory.deploy(index);
      contracts.push(await contract.waitForDeployment());
    }
    return contracts;
  });
}

export async function parallelDeployments(context) {
  return deployTwenty(context, async (wallet) => {
    const factory = new ethers.ContractFactory(COUNTER.abi, COUNTER.bytecode, new ethers.NonceManager(wallet));
    const contracts = await Promise.all(Array.from({ length: COUNT }, (_, index) => factory.deploy(index, { gasLimit: 1_000_000n })));
    return Promise.all(contracts.map((contract) => contract.waitForDeployment()));
  });
}
