// Ask a model and check the answer with the official SDK: `node quickstart.mjs CHAIN_URL PRIVATE_KEY "Tell me of a tree."`

import { createZGComputeNetworkBroker } from "@0gfoundation/0g-compute-ts-sdk";
import { JsonRpcProvider, Wallet } from "ethers";
import OpenAI from "openai";

const [chainUrl, key, content] = process.argv.slice(2);
const chain = new JsonRpcProvider(chainUrl, undefined, { cacheTimeout: -1 }); // Or ethers waits four seconds for each receipt.
const broker = await createZGComputeNetworkBroker(new Wallet(key, chain));

const services = await broker.inference.listService();
const { provider } = services.find(({ serviceType }) => serviceType === "chatbot");

await broker.ledger.depositFund(5);
await broker.inference.acknowledgeProviderSigner(provider);

const { endpoint, model } = await broker.inference.getServiceMetadata(provider);
const headers = await broker.inference.getRequestHeaders(provider);
const openai = new OpenAI({ baseURL: endpoint, apiKey: "unused", defaultHeaders: headers });
const { data: completion, response } = await openai.chat.completions
  .create({ model, messages: [{ role: "user", content }] })
  .withResponse();
console.log(completion.choices[0].message.content);

const answer = response.headers.get("ZG-Res-Key");
const signed = await broker.inference.processResponse(provider, answer, JSON.stringify(completion.usage));
console.log(signed ? `${answer} is signed by the provider's signer` : `${answer} is not signed`);
process.exit(0);
