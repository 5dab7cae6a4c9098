import type { Options } from "./index.js";

declare module "hardhat/types/config" {
  interface HardhatUserConfig {
    /** The network that `hardhat test --network zerog` starts; by default one with a chain alone. */
    zerog?: Options;
  }
}

/** In a `describe` or at the top of a file: the chain is rolled back after each test. */
export function rollBackEachTest(): void;
