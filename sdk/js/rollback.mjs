// `setupFiles` of vitest: the chain is rolled back after each test, by the function that is returned.
import { beforeEach, inject } from "vitest";
import { snapshot } from "./index.mjs";

beforeEach(() => snapshot(inject("zerog").chain.http));
