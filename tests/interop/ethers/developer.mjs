// ethers: what a developer's chain adds, many calls in one, and signatures over typed data.

import assert from "node:assert/strict";

import * as ethers from "ethers";

import { artefact, MAIL, MULTICALL3, rejection } from "../scenario.mjs";
import { deploy } from "./contracts.mjs";

const COUNTER = artefact("testing/Counter");
const TOKEN = artefact("testing/Token");

export async function snapshots({ provider, wallets: [, wallet] }) {
  const counter = await deploy(wallet, COUNTER, 1n);
  const before = await provider.getBlock("latest");
  const nonce = await wallet.getNonce();
  const outer = await provider.send("evm_snapshot", []);
  await (await counter.add(10n)).wait();
  const inner = await provider.send("evm_snapshot", []);
  const lost = await (await counter.add(100n)).wait();
  assert.equal(await counter.value(), 111n);

  assert.equal(await provider.send("evm_revert", [inner]), true);
  assert.equal(await counter.value(), 11n);
  assert.equal(await provider.send("evm_revert", [outer]), true);
  assert.equal(await counter.value(), 1n);
  assert.equal(await wallet.getNonce(), nonce);
  const after = await provider.getBlock("latest");
  assert.equal(after.hash, before.hash);
  assert.equal(await provider.getTransactionReceipt(lost.hash), null);
  assert.deepEqual(await provider.getLogs({ address: counter.target, fromBlock: before.number }), []);
  assert.equal(await provider.send("evm_revert", [outer]), false, "a snapshot serves once");
  assert.equal(await provider.send("evm_revert", [inner]), false);
  await (await counter.add(5n)).wait();
  assert.equal(await counter.value(), 6n);
  return { value: await counter.value() };
}

export async function timeTravel({ provider }) {
  await provider.send("evm_mine", []); // After the genesis, time is today's.
  const start = await provider.getBlock("latest");
  await provider.send("evm_increaseTime", [3600]);
  await provider.send("evm_mine", []);
  const later = await provider.getBlock("latest");
  assert.equal(later.number, start.number + 1);
  assert.ok(later.timestamp >= start.timestamp + 3600);
  assert.ok(later.timestamp < start.timestamp + 3600 + 600);

  const chosen = later.timestamp + 86_400;
  await provider.send("evm_setNextBlockTimestamp", [chosen]);
  await provider.send("evm_mine", []);
  assert.equal((await provider.getBlock("latest")).timestamp, chosen);
  const past = await rejection(provider.send("evm_setNextBlockTimestamp", [chosen - 1]));
  assert.ok(past.error.message.length > 0);

  await provider.send("hardhat_mine", ["0x64", "0x3c"]);
  const far = await provider.getBlock("latest");
  assert.equal(far.number, later.number + 1 + 100);
  const [previous, parent] = [await provider.getBlock(far.number - 1), await provider.getBlock(far.parentHash)];
  assert.equal(previous.hash, parent.hash);
  assert.equal(far.timestamp - previous.timestamp, 60);
  return { mined: far.number - start.number };
}

export async function impersonation({ provider, wallets: [, wallet] }) {
  const counter = await deploy(wallet, COUNTER, 0n);
  const token = await deploy(wallet, TOKEN, "Coin", "COIN", 1000n);
  const [whale, vault] = ["0x00000000000000000000000000000000DeaDBeef", await counter.getAddress()];
  const found = [];
  for (const address of [whale, vault]) {
    await provider.send("hardhat_setBalance", [address, ethers.toQuantity(ethers.parseEther("3"))]);
    await (await token.transfer(address, 100n)).wait();
    await provider.send("hardhat_impersonateAccount", [address]);
    const signer = await provider.getSigner(address);
    const receipt = await (await token.connect(signer).transfer(wallet.address, 40n)).wait();
    assert.equal(receipt.from, ethers.getAddress(address));
    assert.equal(await token.balanceOf(address), 60n);
    assert.equal((await provider.getTransaction(receipt.hash)).from, ethers.getAddress(address));
    await provider.send("hardhat_stopImpersonatingAccount", [address]);
    const refused = await rejection(signer.sendUncheckedTransaction({ to: wallet.address, value: 1n }));
    assert.match(refused.error?.message ?? refused.message, /account|signer/i);
    found.push(receipt.status);
  }
  await provider.send("hardhat_setStorageAt", [vault, "0x0", ethers.toBeHex(77, 32)]);
  assert.equal(await counter.value(), 77n);
  await provider.send("hardhat_setCode", [whale, COUNTER.deployedBytecode]);
  assert.equal(await provider.getCode(whale), COUNTER.deployedBytecode);
  const nonce = (await provider.getTransactionCount(whale)) + 100;
  await provider.send("hardhat_setNonce", [whale, ethers.toQuantity(nonce)]);
  assert.equal(await provider.getTransactionCount(whale), nonce);
  return { statuses: found };
}

export async function multicall({ provider, wallets: [, wallet] }) {
  const { abi } = artefact("chain/Multicall3");
  const calls = new ethers.Contract(MULTICALL3, abi, wallet);
  const counter = await deploy(wallet, COUNTER, 3n);
  const encode = (name, ...args) => counter.interface.encodeFunctionData(name, args);
  const results = await calls.aggregate3.staticCall([
    { target: counter.target, allowFailure: false, callData: encode("value") },
    { target: counter.target, allowFailure: true, callData: encode("add", 1001n) },
    { target: MULTICALL3, allowFailure: false, callData: calls.interface.encodeFunctionData("getEthBalance", [wallet.address]) },
  ]);
  assert.equal(ethers.toBigInt(results[0].returnData), 3n);
  assert.equal(results[1].success, false);
  assert.equal(counter.interface.parseError(results[1].returnData).name, "StepTooLarge");
  assert.equal(ethers.toBigInt(results[2].returnData), await provider.getBalance(wallet.address));
  const all = await rejection(calls.aggregate.staticCall([{ target: counter.target, callData: encode("add", 1001n) }]));
  assert.equal(all.reason, "Multicall3: call failed");

  await (await calls.aggregate3([1n, 2n, 3n].map((step) => ({ target: counter.target, allowFailure: false, callData: encode("add", step) })))).wait();
  assert.equal(await counter.value(), 9n);
  assert.equal(await counter.timesBy(MULTICALL3), 3n);
  return { results: results.length };
}

export async function typedData({ provider, wallets: [, wallet, spender] }) {
  const { domain, types, message } = MAIL;
  const signature = await wallet.signTypedData(domain, types, message);
  assert.equal(ethers.verifyTypedData(domain, types, message, signature), wallet.address);
  const unlocked = await provider.getSigner(wallet.address);
  assert.equal(await unlocked.signTypedData(domain, types, message), signature, "the node signs the same");
  const text = await wallet.signMessage("zero gravity");
  assert.equal(await unlocked.signMessage("zero gravity"), text);

  const token = await deploy(wallet, TOKEN, "Coin", "COIN", 1000n);
  const { chainId } = await provider.getNetwork();
  const permit = { owner: wallet.address, spender: spender.address, value: 250n, nonce: 0n, deadline: 2n ** 64n };
  const permitTypes = { Permit: ["address owner", "address spender", "uint256 value", "uint256 nonce", "uint256 deadline"].map((field) => {
    const [type, name] = field.split(" ");
    return { name, type };
  }) };
  const permitDomain = { name: "Coin", version: "1", chainId, verifyingContract: token.target };
  assert.equal(await token.DOMAIN_SEPARATOR(), ethers.TypedDataEncoder.hashDomain(permitDomain));
  const { v, r, s } = ethers.Signature.from(await wallet.signTypedData(permitDomain, permitTypes, permit));
  await (await token.connect(spender).permit(permit.owner, permit.spender, permit.value, permit.deadline, v, r, s)).wait();
  assert.equal(await token.allowance(wallet.address, spender.address), 250n);
  await (await token.connect(spender).transferFrom(wallet.address, spender.address, 250n)).wait();
  const replay = await rejection(token.permit.staticCall(permit.owner, permit.spender, permit.value, permit.deadline, v, r, s));
  assert.equal(replay.revert.name, "ERC2612InvalidSigner");
  return { signature, text };
}

export async function unknownMethod({ provider }) {
  const error = await rejection(provider.send("eth_noSuchMethod", []));
  assert.equal(error.code, "UNSUPPORTED_OPERATION");
  assert.equal(error.info?.payload?.method ?? error.operation, "eth_noSuchMethod");
  return { code: error.code };
}
