// An indexer with one node that takes segments and throws them away: the yardstick for uploads. `node discard.mjs INDEXER_URL NODE_URL`.
// What is not an upload goes to the real ones; a file counts as finalized once as many segments have arrived as it has.

import { Agent, createServer, request } from "node:http";

const [indexer, node] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true });
const arrived = new Map(); // Segments by sequence number.
const EDGE_BYTES = 512; // The method stands in the first bytes of a call, the id and the sequence in the last.

function forward(url, body, response, change) {
  const outgoing = request(url, { method: "POST", agent, headers: { "content-type": "application/json" } }, (incoming) => {
    const chunks = [];
    incoming.on("data", (chunk) => chunks.push(chunk));
    incoming.on("end", () => answer(response, change(Buffer.concat(chunks).toString())));
  });
  outgoing.on("error", (error) => response.destroy(error));
  outgoing.end(body);
}

function answer(response, text) {
  response.writeHead(200, { "content-type": "application/json" });
  response.end(text);
}

function finalize(text) {
  const call = JSON.parse(text);
  const file = call.result;
  if (file?.tx && (arrived.get(file.tx.seq) ?? 0) >= Math.ceil(file.tx.size / 262144)) file.finalized = true;
  return JSON.stringify(call);
}

const server = createServer((incoming, response) => {
  let chunks = [];
  let isUpload = false;
  incoming.on("data", (chunk) => {
    if (chunks.length === 0) isUpload = chunk.subarray(0, EDGE_BYTES).includes("zgs_uploadSegments");
    if (isUpload && chunks.length > 2) chunks.splice(1, 1); // Only both ends are looked at.
    chunks.push(chunk);
  });
  incoming.on("end", () => {
    const body = Buffer.concat(chunks);
    chunks = [];
    if (isUpload) {
      const tail = body.subarray(-EDGE_BYTES).toString();
      const head = body.subarray(0, EDGE_BYTES).toString();
      const sequence = Number(/\],\s*(\d+)\s*\]/.exec(tail)[1]);
      arrived.set(sequence, (arrived.get(sequence) ?? 0) + 1);
      const identifier = (/"id":\s*([0-9.e+]+|"[^"]*")/.exec(tail) ?? /"id":\s*([0-9.e+]+|"[^"]*")/.exec(head))[1];
      answer(response, `{"jsonrpc":"2.0","id":${identifier},"result":0}`);
    } else if (incoming.url.startsWith("/node")) {
      forward(node, body, response, finalize);
    } else {
      const own = `http://127.0.0.1:${server.address().port}/node`;
      forward(indexer, body, response, (text) => {
        const call = JSON.parse(text);
        if (call.result?.trusted) call.result.trusted = [{ ...call.result.trusted[0], url: own }];
        return JSON.stringify(call);
      });
    }
  });
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`http://127.0.0.1:${server.address().port}\n`));
