// llama.cpp through node-llama-cpp: the measurements that `peer.py` asks for, as JSON on standard output.
//
// Usage: node peer.mjs JOB.json, with the keys `model`, `threads`, `task` and what the task takes. Tokens come as numbers: no tokenizer has a part in it.
import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { getLlama } from "node-llama-cpp";

const job = JSON.parse(readFileSync(process.argv[2], "utf8"));
const llama = await getLlama({ gpu: false, build: "never", progressLogs: false, skipDownload: true, logLevel: "error", maxThreads: job.threads });
const model = await llama.loadModel({ modelPath: job.model });
const greedy = { temperature: 0, yieldEogToken: true };

const context = (sequences, contextSize) =>
  model.createContext({ contextSize, sequences, threads: job.threads, batchSize: Math.min(1024, contextSize), flashAttention: job.flash });

/** The tokens of a greedy answer, and the seconds from its first token to its last. */
async function answer(sequence, prompt, count) {
  const tokens = [];
  let started;
  for await (const token of sequence.evaluate(prompt, greedy)) {
    started ??= performance.now();
    tokens.push(Number(token));
    if (tokens.length === count) break;
  }
  return { tokens, seconds: (performance.now() - started) / 1000 };
}

const tasks = {
  /** Tokens a second after the first, and the memory of the whole process. */
  async one() {
    const sequence = (await context(1, 2048)).getSequence();
    const { seconds } = await answer(sequence, job.prompt, job.count + 1);
    return { pace: job.count / seconds, rss_bytes: process.memoryUsage().rss };
  },
  /** Tokens of a prompt a second. */
  async prefill() {
    const sequence = (await context(1, 2048)).getSequence();
    const started = performance.now();
    await sequence.evaluateWithoutGeneratingNewTokens(job.prompt);
    return { pace: job.prompt.length / ((performance.now() - started) / 1000) };
  },
  /** Tokens of all answers a second, prompts included. */
  async together() {
    const shared = await context(job.prompts.length, 1024);
    const sequences = job.prompts.map(() => shared.getSequence());
    const started = performance.now();
    const answers = await Promise.all(job.prompts.map((prompt, index) => answer(sequences[index], prompt, job.count)));
    const tokens = answers.reduce((sum, { tokens }) => sum + tokens.length, 0);
    return { pace: tokens / ((performance.now() - started) / 1000) };
  },
  /** The first greedy tokens of each prompt. */
  async greedy() {
    const sequence = (await context(1, 1024)).getSequence();
    const answers = [];
    for (const prompt of job.prompts) {
      await sequence.clearHistory();
      answers.push((await answer(sequence, prompt, job.count)).tokens);
    }
    return { answers };
  },
  /** e to the power of the mean surprise of the tokens of a text. */
  async perplexity() {
    const sequence = (await context(1, 2048)).getSequence();
    const options = { temperature: 1, topK: 0, topP: 1, minP: 0 };
    let surprise = 0;
    for (let index = 0; index + 1 < job.tokens.length; index++) {
      const [result] = await sequence.controlledEvaluate([[job.tokens[index], { generateNext: { probabilities: true, options } }]]);
      surprise -= Math.log(result.next.probabilities.get(job.tokens[index + 1]));
    }
    return { perplexity: Math.exp(surprise / (job.tokens.length - 1)) };
  },
};

console.log(JSON.stringify(await tasks[job.task]()));
process.exit(0);
