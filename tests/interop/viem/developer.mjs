// viem: what a developer's chain adds.

import assert from "node:assert/strict";

import { numberToHex, parseEther, zeroHash } from "viem";

import { rejection } from "../scenario.mjs";
import { COUNTER, deploy, write } from "./contracts.mjs";

const WHALE = "0x00000000000000000000000000000000deadbeef";

async function valueOf({ reader }, counter) {
  return reader.readContract({ ...counter, functionName: "value" });
}

export async function snapshots(context) {
  const { reader, dev, accounts: [, account] } = context;
  const counter = await deploy(context, account, COUNTER, [1n]);
  const before = await reader.getBlock();
  const outer = await dev.snapshot();
  await write(context, account, counter, "add", [10n]);
  const inner = await dev.snapshot();
  assert.ok(BigInt(inner) > BigInt(outer));
  await write(context, account, counter, "add", [100n]);
  await dev.revert({ id: inner });
  assert.equal(await valueOf(context, counter), 11n);
  await dev.revert({ id: outer });
  assert.equal(await valueOf(context, counter), 1n);
  assert.equal((await reader.getBlock()).hash, before.hash);
  await write(context, account, counter, "add", [5n]);
  return { value: await valueOf(context, counter) };
}

/** The whole state leaves as one piece and comes back. */
export async function stateFile(context) {
  const { anvil, accounts: [, account] } = context;
  const counter = await deploy(context, account, COUNTER, [1n]);
  const state = await anvil.dumpState();
  const id = await anvil.snapshot();
  await write(context, account, counter, "add", [10n]);
  await anvil.loadState({ state });
  assert.equal(await valueOf(context, counter), 1n);
  await anvil.revert({ id });
  return { value: await valueOf(context, counter) };
}

export async function timeTravel(context) {
  const { reader, dev, anvil } = context;
  await dev.mine({ blocks: 1 }); // After the genesis, time is today's.
  const start = await reader.getBlock();
  await dev.increaseTime({ seconds: 3600 });
  await dev.mine({ blocks: 1 });
  const later = await reader.getBlock();
  assert.equal(later.number, start.number + 1n);
  assert.ok(later.timestamp >= start.timestamp + 3600n && later.timestamp < start.timestamp + 4200n);
  await dev.setNextBlockTimestamp({ timestamp: later.timestamp + 86_400n });
  await dev.mine({ blocks: 1 });
  assert.equal((await reader.getBlock()).timestamp, later.timestamp + 86_400n);
  await dev.mine({ blocks: 10, interval: 60 });
  const far = await reader.getBlock();
  assert.equal(far.number, later.number + 11n);
  const previous = await reader.getBlock({ blockNumber: far.number - 1n });
  assert.equal(far.parentHash, previous.hash);
  assert.equal(far.timestamp, previous.timestamp + 60n);

  await anvil.setBlockTimestampInterval({ interval: 7 });
  await anvil.mine({ blocks: 2 });
  const [one, two] = [await reader.getBlock({ blockNumber: far.number + 1n }), await reader.getBlock()];
  assert.equal(two.timestamp - one.timestamp, 7n);
  await anvil.removeBlockTimestampInterval();
  await anvil.setNextBlockBaseFeePerGas({ baseFeePerGas: 5_000_000_000n });
  await anvil.mine({ blocks: 1 });
  assert.equal((await reader.getBlock()).baseFeePerGas, 5_000_000_000n);
  const gasLimit = (await reader.getBlock()).gasLimit;
  await anvil.setBlockGasLimit({ gasLimit: 60_000_000n });
  await anvil.mine({ blocks: 1 });
  assert.equal((await reader.getBlock()).gasLimit, 60_000_000n);
  await anvil.setBlockGasLimit({ gasLimit });
  await anvil.setCoinbase({ address: WHALE });
  await anvil.mine({ blocks: 1 });
  assert.equal((await reader.getBlock()).miner, WHALE);
  return { mined: Number(far.number - start.number) };
}

export async function impersonation(context) {
  const { reader, dev, anvil, accounts: [, account] } = context;
  const counter = await deploy(context, account, COUNTER, [0n]);
  await dev.setBalance({ address: WHALE, value: parseEther("3") });
  await dev.impersonateAccount({ address: WHALE });
  const receipt = await write(context, WHALE, counter, "add", [2n]);
  assert.equal(receipt.from, WHALE);
  assert.equal(await reader.readContract({ ...counter, functionName: "timesBy", args: [WHALE] }), 1n);
  await dev.stopImpersonatingAccount({ address: WHALE });
  await rejection(write(context, WHALE, counter, "add", [2n], { gas: 100_000n, nonce: 1 }));

  await dev.setBalance({ address: counter.address, value: parseEther("3") });
  await anvil.setAutomine(true);
  await anvil.request({ method: "anvil_autoImpersonateAccount", params: [true] });
  const own = await write(context, counter.address, counter, "add", [3n]);
  await anvil.request({ method: "anvil_autoImpersonateAccount", params: [false] });
  assert.equal(own.status, "success", "a contract may send when it is impersonated");

  await dev.setStorageAt({ address: counter.address, index: zeroHash, value: numberToHex(77, { size: 32 }) });
  assert.equal(await valueOf(context, counter), 77n);
  await dev.setCode({ address: WHALE, bytecode: COUNTER.deployedBytecode });
  assert.equal(await reader.getCode({ address: WHALE }), COUNTER.deployedBytecode);
  await dev.setCode({ address: WHALE, bytecode: "0x" });
  const nonce = (await reader.getTransactionCount({ address: WHALE })) + 100;
  await dev.setNonce({ address: WHALE, nonce });
  assert.equal(await reader.getTransactionCount({ address: WHALE }), nonce);
  return { from: receipt.from };
}
