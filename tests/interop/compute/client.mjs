// The official compute SDK at work, unmodified: `node client.mjs CHAIN_URL`, with requests as JSON lines on standard input.
//
// {id, broker, key}               make the broker of a wallet, under a name
// {id, broker, readOnly: true}    make one without a wallet
// {id, broker, call, arguments}   call a function of it, such as "ledger.addLedger"
// {id, openai, call, arguments}   call a function of the `openai` client, which takes {baseURL, defaultHeaders, apiKey}; streams come whole
//
// Each is answered by {id, result} or {id, failure} as soon as it is done, so that many users can be at work at once. A big integer is
// {"$integer": "1"} on the way in and decimal text on the way out; a file goes in as {"$file": {name, base64}}; bytes come out as base64.

import { Console } from "node:console";
import { createInterface } from "node:readline";

import { createZGComputeNetworkBroker, createZGComputeNetworkReadOnlyBroker } from "@0gfoundation/0g-compute-ts-sdk";
import { JsonRpcProvider, Result, Wallet } from "ethers";
import OpenAI from "openai";

// The SDK writes what it does to the console; standard output is for the answers.
globalThis.console = new Console(process.stderr);

const chainUrl = process.argv[2];
const brokers = new Map();

/** The names in what ethers returned; none of a list. */
function namesOf(result) {
  try {
    return Object.keys(result.toObject()).filter((name) => name !== "_"); // Which stands for none.
  } catch {
    return []; // ethers refuses where a member has no name.
  }
}

/** What ethers returned, as JSON: structures by their names where they have some. */
function plain(value) {
  if (value instanceof Result) {
    const names = namesOf(value);
    return names.length > 0 && names.length === value.length
      ? Object.fromEntries(names.map((name) => [name, plain(value[name])]))
      : value.toArray().map(plain);
  }
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, entry]) => [key, plain(entry)]));
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, plain(entry)]));
  }
  return value;
}

/** An argument as the SDK takes it. */
function revived(_key, value) {
  if (value === null || typeof value !== "object") return value;
  if ("$integer" in value) return BigInt(value.$integer);
  if ("$file" in value) return new File([Buffer.from(value.$file.base64, "base64")], value.$file.name);
  return value;
}

/** Call `path` of `root`, each function as a member of what it stands in. */
async function call(root, path, args) {
  const names = path.split(".");
  const name = names.pop();
  const owner = names.reduce((object, key) => object[key], root);
  return owner[name](...args);
}

async function makeBroker({ key, readOnly }) {
  if (readOnly) return createZGComputeNetworkReadOnlyBroker(chainUrl);
  return createZGComputeNetworkBroker(new Wallet(key, new JsonRpcProvider(chainUrl, undefined, { cacheTimeout: -1 })));
}

/** What a call of the `openai` client brings, with the headers of the answer beside it. */
async function askOpenAi({ openai, call: path, arguments: args }) {
  const { data, response } = await (async () => {
    const names = path.split(".");
    const name = names.pop();
    const owner = names.reduce((object, key) => object[key], new OpenAI({ maxRetries: 0, ...openai }));
    return owner[name](...args).withResponse();
  })();
  const headers = Object.fromEntries(response.headers);
  if (data instanceof Response) return { data: new Uint8Array(await data.arrayBuffer()), headers };
  if (typeof data?.[Symbol.asyncIterator] !== "function") return { data, headers };
  const events = [];
  for await (const event of data) events.push(event);
  return { data: events, headers };
}

async function answer(request) {
  if (request.openai !== undefined) return askOpenAi(request);
  if (request.call === undefined) {
    brokers.set(request.broker, await makeBroker(request));
    return null;
  }
  return (await call(brokers.get(request.broker), request.call, request.arguments)) ?? null;
}

/** All that an error says of itself, for tests look for the contract's own name of it. */
function words(error) {
  const parts = [error?.name, error?.message, error?.shortMessage, error?.revert?.name, error?.status, error?.error?.message];
  return parts.filter((part) => part !== undefined && part !== null).join(" | ");
}

function tell(reply) {
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line, revived);
  answer(request).then(plain).then(
    (result) => tell({ id: request.id, result }),
    (error) => tell({ id: request.id, failure: words(error) }),
  );
}
process.exit(0);
