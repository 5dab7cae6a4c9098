// A dApp: the SDK's browser bundle and the client `openai` ask a model, whole and as a stream, and check answers and evidence.

import "/pages/node.mjs";

import { createZGComputeNetworkBroker } from "@0gfoundation/0g-compute-ts-sdk";
import { JsonRpcProvider, Wallet } from "ethers";
import OpenAI from "openai";

async function sha256(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export async function run({ chain, key, provider, chat }) {
  const { inference } = await createZGComputeNetworkBroker(new Wallet(key, new JsonRpcProvider(chain)));
  const { endpoint } = await inference.getServiceMetadata(provider);
  const defaultHeaders = await inference.getRequestHeaders(provider);
  const openai = new OpenAI({ baseURL: endpoint, apiKey: "unused", defaultHeaders, dangerouslyAllowBrowser: true });

  const whole = await openai.chat.completions.create(chat).asResponse();
  const bytes = await whole.arrayBuffer();
  const completion = JSON.parse(new TextDecoder().decode(bytes));
  const stream = await openai.chat.completions.create({ ...chat, stream: true }).withResponse();
  let streamed = "";
  for await (const event of stream.data) streamed += event.choices[0]?.delta.content ?? "";

  const keys = [whole, stream.response].map((response) => response.headers.get("ZG-Res-Key"));
  const verdicts = [];
  for (const answer of keys) verdicts.push(await inference.processResponse(provider, answer));
  const signature = await (await fetch(await inference.getChatSignatureDownloadLink(provider, keys[0]))).json();
  const { success, signerVerification, composeVerification } = await inference.verifyService(provider);
  return {
    origin: location.origin,
    keys,
    verdicts,
    signed: signature.text,
    answered: await sha256(bytes),
    words: completion.choices[0].message.content,
    streamed,
    evidence: { success, allMatch: signerVerification.allMatch, passed: composeVerification.passed },
  };
}
