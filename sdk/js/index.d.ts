/** Where everything of a running network is, as in its `endpoints.json`; `null` for what does not run. */
export interface Endpoints {
  version: number;
  network: string;
  chain_id: number;
  pid: number;
  data_dir: string;
  logs: string;
  chain: { http: string; ws: string };
  storage: { indexer: string; kv: string | null; nodes: { rpc: string; admin: string }[] } | null;
  da: { disperser: string; encoder: string; retriever: string; signers: string[]; gateway: string; trouble: string | null } | null;
  compute: { providers: Provider[] } | null;
  explorer: string | null;
  contracts: Record<string, string | null>;
  accounts: { address: `0x${string}`; private_key: `0x${string}` }[];
}

/** A provider of the marketplace; OpenAI clients add `/v1/proxy` to its `url`. */
export interface Provider {
  address: string;
  url: string;
  model: string;
  service_type: string;
  signer: string;
  simulated: boolean;
  trouble: string | null;
}

export interface Options {
  /** Start these roles alone; all if there are none. The chain must be among them. */
  only?: ("chain" | "storage" | "da" | "compute")[];
  /** Be a local copy of a public network. */
  like?: "galileo" | "mainnet";
  /** Any other words for `zerog up`, such as `["--nodes", "2"]`. */
  args?: string[];
}

/** Start a throw-away network and wait until every role is proven ready. It ends with `stop`, or with this program. */
export function startNetwork(options?: Options): Promise<{ endpoints: Endpoints; stop: () => Promise<void> }>;

/** One JSON-RPC call to a chain. */
export function request(url: string, method: string, ...params: unknown[]): Promise<unknown>;

/** Note a chain as it is. What is returned rolls it back to that, and waits until every other role of its network has gone back too. */
export function snapshot(url: string): Promise<() => Promise<void>>;
