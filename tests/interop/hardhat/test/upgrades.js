// The upgrades plugin by OpenZeppelin, which checks storage layouts and keeps a record of each network.

const { expect } = require("chai");
const { ethers, upgrades } = require("hardhat");

describe("hardhat-upgrades", function () {
  it("deploys and upgrades a UUPS proxy", async function () {
    const [owner] = await ethers.getSigners();
    const box = await upgrades.deployProxy(await ethers.getContractFactory("Box"), [owner.address, 42n], { kind: "uups" });
    expect(await box.value()).to.equal(42n);
    const first = await upgrades.erc1967.getImplementationAddress(box.target);
    const upgraded = await upgrades.upgradeProxy(box, await ethers.getContractFactory("BoxV2"), { call: { fn: "initializeV2", args: [5n] } });
    await upgraded.count();
    expect(await upgraded.value()).to.equal(47n);
    expect(await upgrades.erc1967.getImplementationAddress(box.target)).not.to.equal(first);
  });

  it("deploys and upgrades a transparent proxy", async function () {
    const [owner] = await ethers.getSigners();
    const box = await upgrades.deployProxy(await ethers.getContractFactory("Box"), [owner.address, 1n], { kind: "transparent" });
    const upgraded = await upgrades.upgradeProxy(box, await ethers.getContractFactory("BoxV2"), { kind: "transparent" });
    expect([await upgraded.value(), await upgraded.version()]).to.deep.equal([1n, "2"]);
  });

  it("deploys and upgrades beacons", async function () {
    const [owner] = await ethers.getSigners();
    const beacon = await upgrades.deployBeacon(await ethers.getContractFactory("Box"));
    const box = await upgrades.deployBeaconProxy(beacon, await ethers.getContractFactory("Box"), [owner.address, 3n]);
    await upgrades.upgradeBeacon(beacon, await ethers.getContractFactory("BoxV2"));
    expect(await box.version()).to.equal("2");
  });

  it("refuses an upgrade that breaks the storage", async function () {
    const [owner] = await ethers.getSigners();
    const box = await upgrades.deployProxy(await ethers.getContractFactory("Box"), [owner.address, 3n], { kind: "uups" });
    await expect(upgrades.upgradeProxy(box, await ethers.getContractFactory("BoxBroken"))).to.be.rejectedWith("New storage layout is incompatible");
  });
});
