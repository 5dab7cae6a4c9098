// A dApp: ask a model with the headers that the client `openai` sends, read the key of the answer, fetch its signature.

export async function run({ provider, authorization, chat }) {
  const headers = { authorization, "content-type": "application/json", "x-stainless-lang": "js", "x-stainless-retry-count": "0" };
  const answer = await fetch(`${provider}/v1/proxy/chat/completions`, { method: "POST", headers, body: JSON.stringify(chat) });
  const key = answer.headers.get("ZG-Res-Key");
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const signed = await fetch(`${provider}/v1/proxy/signature/${key}?model=${chat.model}`, {
    headers: { "content-type": "application/json" },
  });
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return {
    origin: location.origin,
    status: answer.status,
    key,
    text: (await signed.json()).text,
    answered: [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join(""),
  };
}
