// A box behind a proxy, and its first transaction, declared for Hardhat Ignition.

const { buildModule } = require("@nomicfoundation/hardhat-ignition/modules");

module.exports = buildModule("BoxModule", (module) => {
  const owner = module.getAccount(0);
  const start = module.getParameter("start", 42n);
  const implementation = module.contract("Box", [], { id: "Implementation" });
  const proxy = module.contract("ERC1967Proxy", [implementation, module.encodeFunctionCall(implementation, "initialize", [owner, start])]);
  const box = module.contractAt("Box", proxy);
  const stored = module.call(box, "store", [43n]);
  module.readEventArgument(stored, "Stored", "value", { emitter: box });
  return { implementation, proxy, box };
});
