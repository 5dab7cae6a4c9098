// Hardhat Ignition from within a test: contracts, a call, an event, and parameters.

const { expect } = require("chai");
const { ethers, ignition } = require("hardhat");
const BoxModule = require("../ignition/modules/Box");

describe("Hardhat Ignition", function () {
  it("deploys a module", async function () {
    const { box, proxy, implementation } = await ignition.deploy(BoxModule, { parameters: { BoxModule: { start: 5n } } });
    expect(await box.getAddress()).to.equal(await proxy.getAddress());
    expect(await box.value()).to.equal(43n);
    const [initialised, stored] = await Promise.all([box.queryFilter("Initialized"), box.queryFilter("Stored")]);
    expect([initialised.length, stored.length]).to.deep.equal([1, 1]);
    expect(await ethers.provider.getCode(implementation)).not.to.equal("0x");
  });
});
