// Upgradeable contracts by OpenZeppelin: behind an ERC-1967 proxy of their own (UUPS), a transparent one, and a beacon.

const { expect } = require("chai");
const { ethers } = require("hardhat");
const { getStorageAt, loadFixture } = require("@nomicfoundation/hardhat-network-helpers");

/** Where a proxy keeps what it points at. Source: EIP-1967. */
const slot = (name) => ethers.toBeHex(BigInt(ethers.id(`eip1967.proxy.${name}`)) - 1n, 32);
const addressAt = async (proxy, name) => ethers.getAddress(ethers.dataSlice(await getStorageAt(await proxy.getAddress(), slot(name)), 12));

async function initialise(start) {
  const [owner] = await ethers.getSigners();
  const { interface: box } = await ethers.getContractFactory("Box");
  return box.encodeFunctionData("initialize", [owner.address, start]);
}

const startSecond = async (step) => (await ethers.getContractFactory("BoxV2")).interface.encodeFunctionData("initializeV2", [step]);

describe("UUPS proxy", function () {
  async function deployBox() {
    const [owner, stranger] = await ethers.getSigners();
    const implementation = await ethers.deployContract("Box");
    const proxy = await ethers.deployContract("ERC1967Proxy", [implementation, await initialise(42)]);
    return { box: await ethers.getContractAt("Box", proxy), proxy, implementation, owner, stranger };
  }

  it("is initialised once, its implementation never", async function () {
    const { box, proxy, implementation, owner } = await loadFixture(deployBox);
    expect(await box.value()).to.equal(42n);
    expect(await addressAt(proxy, "implementation")).to.equal(await implementation.getAddress());
    await expect(box.initialize(owner, 1)).to.be.revertedWithCustomError(box, "InvalidInitialization");
    await expect(implementation.initialize(owner, 1)).to.be.revertedWithCustomError(implementation, "InvalidInitialization");
  });

  it("keeps its state over an upgrade", async function () {
    const { box, proxy, owner } = await loadFixture(deployBox);
    await expect(box.store(43)).to.emit(box, "Stored").withArgs(owner.address, 43n);
    const second = await ethers.deployContract("BoxV2");
    await expect(box.upgradeToAndCall(second, await startSecond(5)))
      .to.emit(proxy, "Upgraded")
      .withArgs(second)
      .and.to.emit(box, "Initialized")
      .withArgs(2n);
    const upgraded = await ethers.getContractAt("BoxV2", proxy);
    await upgraded.count();
    expect([await upgraded.value(), await upgraded.version()]).to.deep.equal([48n, "2"]);
    expect(await addressAt(proxy, "implementation")).to.equal(await second.getAddress());
  });

  it("is upgraded by its owner alone, and only to what can be upgraded", async function () {
    const { box, stranger } = await loadFixture(deployBox);
    const [second, probe] = [await ethers.deployContract("BoxV2"), await ethers.deployContract("Probe")];
    await expect(box.connect(stranger).upgradeToAndCall(second, "0x"))
      .to.be.revertedWithCustomError(box, "OwnableUnauthorizedAccount")
      .withArgs(stranger.address);
    await expect(box.upgradeToAndCall(probe, "0x")).to.be.revertedWithCustomError(box, "ERC1967InvalidImplementation").withArgs(probe);
  });
});

describe("transparent proxy", function () {
  async function deployBox() {
    const [owner, stranger] = await ethers.getSigners();
    const proxy = await ethers.deployContract("TransparentUpgradeableProxy", [
      await ethers.deployContract("Box"),
      owner,
      await initialise(7),
    ]);
    const admin = await ethers.getContractAt("ProxyAdmin", await addressAt(proxy, "admin"));
    return { proxy, admin, box: await ethers.getContractAt("Box", proxy), owner, stranger };
  }

  it("is upgraded through its admin", async function () {
    const { proxy, admin, box, owner, stranger } = await loadFixture(deployBox);
    expect(await admin.getAddress()).to.equal(ethers.getCreateAddress({ from: await proxy.getAddress(), nonce: 1 }));
    expect([await box.value(), await admin.owner()]).to.deep.equal([7n, owner.address]);
    const second = await ethers.deployContract("BoxV2");
    await expect(admin.connect(stranger).upgradeAndCall(proxy, second, "0x"))
      .to.be.revertedWithCustomError(admin, "OwnableUnauthorizedAccount")
      .withArgs(stranger.address);
    await admin.upgradeAndCall(proxy, second, await startSecond(3));
    const upgraded = await ethers.getContractAt("BoxV2", proxy);
    await upgraded.count();
    expect(await upgraded.value()).to.equal(10n);
  });
});

describe("beacon proxy", function () {
  it("many follow one upgrade", async function () {
    const [owner] = await ethers.getSigners();
    const beacon = await ethers.deployContract("UpgradeableBeacon", [await ethers.deployContract("Box"), owner]);
    const starts = [1n, 2n, 3n];
    const proxies = await Promise.all(
      starts.map(async (start) => ethers.deployContract("BeaconProxy", [beacon, await initialise(start)])),
    );
    const boxes = await Promise.all(proxies.map((proxy) => ethers.getContractAt("BoxV2", proxy)));
    expect(await Promise.all(boxes.map((box) => box.version()))).to.deep.equal(["1", "1", "1"]);
    await beacon.upgradeTo(await ethers.deployContract("BoxV2"));
    expect(await Promise.all(boxes.map((box) => box.version()))).to.deep.equal(["2", "2", "2"]);
    expect(await Promise.all(boxes.map((box) => box.value()))).to.deep.equal(starts);
  });
});
