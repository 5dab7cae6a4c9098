// Write a key and read it with the official SDK: `node kv-quickstart.mjs STREAM` in the folder of a running network; STREAM is 0x and 64 digits.

import { readFileSync } from "node:fs";

import { Batcher, getFlowContract, Indexer, KvClient } from "@0gfoundation/0g-ts-sdk";
import { JsonRpcProvider, toUtf8Bytes, Wallet } from "ethers";

const { chain, storage, accounts } = JSON.parse(readFileSync(".zerog/endpoints.json", "utf8"));
const [stream] = process.argv.slice(2);

const signer = new Wallet(accounts[0].private_key, new JsonRpcProvider(chain.http));
const [nodes, unreachable] = await new Indexer(storage.indexer).selectNodes(1);
if (unreachable) throw unreachable;
const { networkIdentity } = await nodes[0].getStatus();

// The version says: no key of the batch was written after this submission. Without a reason to ask for that, take the highest number.
const batcher = new Batcher(2n ** 64n - 1n, nodes, getFlowContract(networkIdentity.flowAddress, signer), chain.http);
batcher.streamDataBuilder.set(stream, toUtf8Bytes("greeting"), toUtf8Bytes(`hello at ${Date.now()}`));
const [written, refusal] = await batcher.exec({ finalityRequired: true });
if (refusal) throw refusal;

const kv = new KvClient(storage.kv);
while ((await kv.getTransactionResult(written.txSeq)) === null) await new Promise((resolve) => setTimeout(resolve, 50));

const value = await kv.getValue(stream, toUtf8Bytes("greeting"));
console.log(`${await kv.getTransactionResult(written.txSeq)}: greeting is`, Buffer.from(value.data, "base64").toString());
