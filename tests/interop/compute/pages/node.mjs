// What the SDK takes for given of Node, as bundlers give it to a page: `process`, and `Buffer` by its package, which is CommonJS.

globalThis.process = { env: {} }; // At once: the SDK looks at it while this still loads.

async function load(path, needed = {}) {
  const text = await (await fetch(`/packages/${path}`)).text();
  const module = { exports: {} };
  new Function("module", "exports", "require", text)(module, module.exports, (name) => needed[name]);
  return module.exports;
}

const needed = { "base64-js": await load("base64-js/index.js"), ieee754: await load("ieee754/index.js") };
globalThis.Buffer = (await load("buffer/index.js", needed)).Buffer;
