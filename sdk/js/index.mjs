// Starts a local 0G network for tests. It ends with this program, however that ends: its standard input closes then.
import { spawn } from "node:child_process";
import { once } from "node:events";

/** Start a network and wait until every role is proven ready. */
export async function startNetwork({ only = [], like, args = [] } = {}) {
  const options = [...only.flatMap((role) => ["--only", role]), ...(like ? ["--like", like] : []), ...args];
  const words = ["up", "--attached", "--ephemeral", "--json", "--port-base", "0", "--dir", import.meta.dirname, ...options]; // Not settings of a project.
  const child = await firstThatStarts(words);
  let [printed, said] = ["", ""];
  child.stderr.setEncoding("utf8").on("data", (text) => (said += text));
  const ended = once(child, "close");
  const isReady = new Promise((resolve) => {
    child.stdout.setEncoding("utf8").on("data", (text) => (printed += text).endsWith("\n}\n") && resolve(true));
    ended.then(() => resolve(false));
  });
  if (!(await isReady)) throw new Error(`the zerog network did not start (exit code ${child.exitCode})\n${said.trimEnd()}`);
  for (const handle of [child, child.stdin, child.stdout, child.stderr]) handle.unref(); // A program that forgets to stop it may end.
  const stop = async () => {
    child.ref();
    child.stdin.end();
    await ended;
    if (child.exitCode) throw new Error(`the zerog network ended with exit code ${child.exitCode}\n${said.trimEnd()}`);
  };
  return { endpoints: JSON.parse(printed), stop };
}

/** One JSON-RPC call to the chain. */
export async function request(url, method, ...params) {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  const answer = await (await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body })).json();
  if (answer.error) throw new Error(`${method}: ${answer.error.message}`);
  return answer.result;
}

/** Note the chain as it is. What is returned rolls it back to that, and waits until every other role has gone back too. */
export async function snapshot(url) {
  const id = await request(url, "evm_snapshot");
  return async () => {
    if (!(await request(url, "evm_revert", id))) throw new Error(`snapshot ${id} is gone: the chain was reverted to an earlier one, or reset`);
    await request(url, "zerog_waitForRoles");
  };
}

async function firstThatStarts(words) {
  const python = ["python3", "python"].map((name) => [name, "-P", "-m", "zerog"]);
  for (const [program, ...first] of process.env.ZEROG ? [[process.env.ZEROG]] : [["zerog"], ...python]) {
    const child = spawn(program, [...first, ...words]);
    const outcome = await once(child, "spawn").catch((error) => error);
    if (!outcome.code) return child;
    if (outcome.code !== "ENOENT") throw outcome;
  }
  throw new Error("there is no command zerog: `pip install zerog`, or name the command in the environment variable ZEROG");
}
