// The same project, whose tests report in JSON.
module.exports = { ...require("./hardhat.config"), mocha: { reporter: "json" } };
