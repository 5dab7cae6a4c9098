import type { Endpoints, Options } from "./index.js";

/** What vitest hands to a global setup, as far as it is used. */
interface Project {
  provide(key: "zerog", value: Endpoints): void;
}

/** A `globalSetup` that starts a network with all roles. */
export default function setup(project: Project): Promise<() => Promise<void>>;

/** One with options. */
export function setupWith(options: Options): typeof setup;

declare module "vitest" {
  export interface ProvidedContext {
    zerog: Endpoints;
  }
}
