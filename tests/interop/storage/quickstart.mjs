// Upload a file and fetch it again with the official SDK: `node quickstart.mjs FILE` in the folder of a running network.

import { readFileSync } from "node:fs";

import { Indexer, ZgFile } from "@0gfoundation/0g-ts-sdk";
import { JsonRpcProvider, Wallet } from "ethers";

const { chain, storage, accounts } = JSON.parse(readFileSync(".zerog/endpoints.json", "utf8"));
const [path] = process.argv.slice(2);

const indexer = new Indexer(storage.indexer);
const signer = new Wallet(accounts[0].private_key, new JsonRpcProvider(chain.http));

const file = await ZgFile.fromFilePath(path);
const [uploaded, refusal] = await indexer.upload(file, chain.http, signer);
await file.close();
if (refusal) throw refusal;

const failure = await indexer.download(uploaded.rootHash, `${path}.fetched`);
if (failure) throw failure;
console.log(`${path} is ${uploaded.rootHash}, number ${uploaded.txSeq}`);
