// ethers: contracts are deployed, called, fail, and tell by events, filters and subscriptions.

import assert from "node:assert/strict";

import * as ethers from "ethers";

import { artefact, Inbox, rejection, within } from "../scenario.mjs";

const COUNTER = artefact("testing/Counter");
const FACTORY = artefact("testing/CounterFactory");

/** Deploy a contract and wait until it stands there. */
export async function deploy(wallet, { abi, bytecode }, ...args) {
  const contract = await new ethers.ContractFactory(abi, bytecode, wallet).deploy(...args);
  return contract.waitForDeployment();
}

export async function deployment({ provider, wallets: [, wallet] }) {
  const nonce = await wallet.getNonce();
  const counter = await deploy(wallet, COUNTER, 7n, { value: 5n });
  const address = await counter.getAddress();
  assert.equal(address, ethers.getCreateAddress({ from: wallet.address, nonce }));
  assert.equal(await counter.value(), 7n);
  assert.equal(await counter.owner(), wallet.address);
  assert.equal(await provider.getBalance(address), 5n);
  assert.equal(ethers.dataLength(await counter.getDeployedCode()), ethers.dataLength(COUNTER.deployedBytecode));

  const receipt = await counter.deploymentTransaction().wait();
  assert.equal(receipt.contractAddress, address);
  assert.equal(receipt.to, null);

  const factory = await deploy(wallet, FACTORY);
  const salt = ethers.id("a counter");
  const expected = ethers.getCreate2Address(
    await factory.getAddress(),
    salt,
    ethers.keccak256(ethers.concat([COUNTER.bytecode, ethers.zeroPadValue("0x2a", 32)])),
  );
  assert.equal(await factory.addressOf(42n, salt), expected);
  await (await factory.create2(42n, salt)).wait();
  assert.equal(await new ethers.Contract(expected, COUNTER.abi, provider).value(), 42n);
  const again = await rejection(factory.create2.staticCall(42n, salt));
  assert.equal(again.code, "CALL_EXCEPTION");
  return { deployer: wallet.address, nonce, address };
}

async function failingCall(promise) {
  const error = await rejection(promise);
  assert.equal(error.code, "CALL_EXCEPTION", error.message);
  return { name: error.revert?.name ?? null, args: error.revert ? [...error.revert.args] : null, reason: error.reason, data: error.data };
}

export async function failures({ provider, wallets: [, owner, stranger] }) {
  const counter = await deploy(owner, COUNTER, 0n);
  const asStranger = counter.connect(stranger);

  const large = await failingCall(counter.add.staticCall(1001n));
  assert.deepEqual([large.name, large.args], ["StepTooLarge", [1001n, 1000n]]);
  const foreign = await failingCall(asStranger.set.staticCall(1n));
  assert.deepEqual([foreign.name, foreign.args], ["NotOwner", [stranger.address, owner.address]]);
  const estimate = await failingCall(asStranger.set.estimateGas(1n));
  assert.equal(estimate.data, foreign.data, "an estimate fails with the same data as the call");
  const bare = await failingCall(counter.failWithError());
  assert.deepEqual([bare.name, bare.args], ["Refused", []]);
  const required = await failingCall(counter.failWithReason());
  assert.deepEqual([required.name, required.reason], ["Error", "Counter: this always fails"]);
  const assertion = await failingCall(counter.failAssertion());
  assert.deepEqual([assertion.name, assertion.args.map(BigInt)], ["Panic", [1n]]);
  const overflow = await failingCall(counter.underflow(1n));
  assert.deepEqual([overflow.name, overflow.args.map(BigInt)], ["Panic", [0x11n]]);
  const division = await failingCall(counter.divide(1n, 0n));
  assert.deepEqual([division.name, division.args.map(BigInt)], ["Panic", [0x12n]]);
  const silent = await failingCall(counter.failSilently());
  assert.deepEqual([silent.name, silent.data], [null, "0x"]);

  const sent = await asStranger.set(1n, { gasLimit: 100_000n });
  const reverted = await rejection(sent.wait());
  assert.equal(reverted.code, "CALL_EXCEPTION");
  assert.equal(reverted.receipt.status, 0);
  assert.equal(reverted.receipt.logs.length, 0);
  assert.equal(await counter.value(), 0n);
  const nobody = await rejection(provider.call({ to: await counter.getAddress(), data: "0xdeadbeef" }));
  assert.equal(nobody.code, "CALL_EXCEPTION");
  return { customError: [large.name, ...large.args], reason: required.reason, panic: overflow.args[0] };
}

export async function events({ provider, wallets: [, wallet, other] }) {
  const counter = await deploy(wallet, COUNTER, 10n);
  const address = await counter.getAddress();
  const first = await (await counter.add(1n)).wait();
  await (await counter.connect(other).add(2n)).wait();
  const last = await (await counter.add(3n)).wait();
  const tags = [ethers.id("x"), ethers.id("y")];
  const labelled = await (await counter.label("zero gravity", tags)).wait();

  const all = await counter.queryFilter("Counted", first.blockNumber, "latest");
  assert.deepEqual(all.map((event) => event.args.value), [11n, 13n, 16n]);
  const mine = await counter.queryFilter(counter.filters.Counted(wallet.address), first.blockNumber);
  assert.deepEqual(mine.map((event) => event.args.step), [1n, 3n]);
  const either = await provider.getLogs({
    address,
    fromBlock: first.blockNumber,
    topics: [counter.interface.getEvent("Counted").topicHash, null, [ethers.toBeHex(2, 32), ethers.toBeHex(3, 32)]],
  });
  assert.equal(either.length, 2);
  const inBlock = await provider.getLogs({ address, blockHash: last.blockHash });
  assert.equal(inBlock.length, 1);
  assert.equal(inBlock[0].transactionHash, last.hash);
  assert.equal(inBlock[0].index, last.logs[0].index);

  const [named] = labelled.logs;
  assert.equal(named.args.name, "zero gravity");
  assert.equal(named.args.nameHash.hash, ethers.id("zero gravity"));
  assert.deepEqual([...named.args.tags], tags);
  assert.deepEqual(await counter.queryFilter("Counted", 0, first.blockNumber - 1), []);
  return { values: all.map((event) => event.args.value), address };
}

/** What a contract tells a listener while `act` runs, and the block numbers and pending hashes that it hears meanwhile. */
async function listen(provider, address, act) {
  const counted = new Inbox();
  const blocks = new Inbox();
  const pending = new Inbox();
  const counter = new ethers.Contract(address, COUNTER.abi, provider);
  await counter.on("Counted", (by, step, value, { log }) => counted.push({ by, step, value, hash: log.transactionHash }));
  await provider.on("block", blocks.push);
  await provider.on("pending", pending.push);
  await act({ counted, blocks, pending });
  await counter.off("Counted");
  await provider.off("block");
  await provider.off("pending");
}

async function countWhileListening(listening, { wallets: [, wallet] }) {
  const counter = await deploy(wallet, COUNTER, 0n);
  const heard = {};
  await listen(listening, await counter.getAddress(), async ({ counted, blocks, pending }) => {
    // A polling client begins with the block it sees first, so the counting begins once it has seen one.
    await (await wallet.sendTransaction({ to: wallet.address })).wait();
    await blocks.take(1, "a first block");
    const one = await (await counter.add(5n)).wait();
    await counted.take(1, "the first event");
    const two = await (await counter.add(6n)).wait();
    heard.events = await counted.take(2, "the second event");
    assert.deepEqual(heard.events.map(({ step, value, hash }) => [step, value, hash]), [[5n, 5n, one.hash], [6n, 11n, two.hash]]);
    await within(waitForAll(blocks, [one.blockNumber, two.blockNumber]), "both blocks");
    await within(waitForAll(pending, [one.hash, two.hash]), "both pending hashes");
    assert.deepEqual(blocks.items, [...blocks.items].sort((a, b) => a - b));
  });
  return { steps: heard.events.map(({ step }) => step) };
}

async function waitForAll(inbox, wanted) {
  while (!wanted.every((item) => inbox.items.includes(item))) await inbox.take(inbox.items.length + 1, `one of ${wanted}`);
}

/** Over HTTP: once by polling logs, once through the node's filters. */
export async function filters(context) {
  const byFilter = await countWhileListening(context.filtering, context);
  const { provider, wallets: [, wallet] } = context;
  const counter = await deploy(wallet, COUNTER, 0n);
  const counted = new Inbox();
  await counter.on("Counted", (by, step) => counted.push(step));
  await (await counter.add(8n)).wait();
  await counted.take(1, "the event by polling");
  await counter.off("Counted");

  const id = await provider.send("eth_newFilter", [{ address: await counter.getAddress() }]);
  const blockId = await provider.send("eth_newBlockFilter", []);
  const { blockHash } = await (await counter.add(9n)).wait();
  assert.equal((await provider.send("eth_getFilterChanges", [id])).length, 1);
  assert.deepEqual(await provider.send("eth_getFilterChanges", [id]), []);
  assert.equal((await provider.send("eth_getFilterLogs", [id])).length, 1);
  assert.deepEqual(await provider.send("eth_getFilterChanges", [blockId]), [blockHash]);
  assert.equal(await provider.send("eth_uninstallFilter", [id]), true);
  assert.equal(await provider.send("eth_uninstallFilter", [id]), false);
  const gone = await rejection(provider.send("eth_getFilterChanges", [id]));
  assert.match(gone.error.message, /filter not found/);
  return { byFilter: byFilter.steps, byPolling: counted.items };
}

/** Over WebSocket. */
export async function subscriptions(context) {
  const heard = await countWhileListening(context.socket, context);
  const heads = new Inbox();
  const id = await context.socket.send("eth_subscribe", ["newHeads"]);
  context.socket.websocket.addEventListener("message", ({ data }) => {
    const { params } = JSON.parse(data);
    if (params?.subscription === id) heads.push(params.result);
  });
  const { wallets: [, wallet], provider } = context;
  const receipt = await (await wallet.sendTransaction({ to: wallet.address })).wait();
  const [head] = await heads.take(1, "a header");
  assert.equal(head.hash, receipt.blockHash);
  assert.equal(head.parentHash, (await provider.getBlock(receipt.blockNumber)).parentHash);
  assert.equal(await context.socket.send("eth_unsubscribe", [id]), true);
  const overHttp = await rejection(provider.send("eth_subscribe", ["newHeads"]));
  assert.equal(overHttp.error?.code, -32601, overHttp.message);
  return heard;
}
