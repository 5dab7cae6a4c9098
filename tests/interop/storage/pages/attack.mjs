// A page of somebody else: it sends each request in every way that a browser lets it, and tells what it may read of the answers.

const WAYS = {
  // Asks first (a preflight), because of its content type.
  json: { headers: { "content-type": "application/json" } },
  // Asks nothing: this is what a form can send, too. Whatever is not refused is executed.
  text: { headers: { "content-type": "text/plain" } },
  // Likewise, and the browser does not even complain when the page may not read the answer.
  blind: { mode: "no-cors", headers: { "content-type": "text/plain" } },
};

async function attempt(url, body, way) {
  try {
    const answer = await fetch(url, { method: "POST", body: JSON.stringify(body), ...WAYS[way] });
    return answer.type === "opaque" ? "unreadable" : `read ${answer.status}`;
  } catch (error) {
    if (error instanceof TypeError) return "refused"; // All that a page is told.
    throw error;
  }
}

export async function run({ requests }) {
  const outcomes = [];
  for (const { url, body } of requests) {
    for (const way of Object.keys(WAYS)) outcomes.push({ url, method: body.method, way, outcome: await attempt(url, body, way) });
  }
  return { origin: location.origin, outcomes };
}
