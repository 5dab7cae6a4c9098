// `globalSetup` of vitest: one network for the run, whose endpoints tests get by `inject("zerog")`.
import { startNetwork } from "./index.mjs";

/** A global setup with options of your own. */
export const setupWith = (options) => async (project) => {
  const network = await startNetwork(options);
  project.provide("zerog", network.endpoints);
  return network.stop;
};

export default setupWith({});
