// What all journeys need: accounts of their own, sessions, payments, and the sandbox's own methods.
import {
  createPublicClient,
  encodeFunctionData,
  erc20Abi,
  http,
  keccak256,
  parseAbi,
  toBytes,
} from "viem";
import { privateKeyToAddress } from "viem/accounts";
import { arbitrumSepolia, baseSepolia } from "viem/chains";

export const USDC = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";
export const DAI = "0x00000000000000000000000000000000000000DA";
export const ENTRY_POINT = "0x0000000071727De22E5E9d8BAf0edAc6f37da032";
export const POLICY = "11111111-2222-4333-8444-555555555555";
export const SPONSORED = { paymaster: { policyId: POLICY } };

export const erc20 = (allowance, address = USDC) => ({ type: "erc20-token-transfer", data: { address, allowance } });
export const native = (allowance) => ({ type: "native-token-transfer", data: { allowance } });
export const gasLimit = (limit) => ({ type: "gas-limit", data: { limit } });

export const call = (to, signature, ...args) => ({
  to,
  data: encodeFunctionData({ abi: parseAbi([`function ${signature}`]), args }),
});
export const transfer = (to, amount, token = USDC) => call(token, "transfer(address,uint256)", to, amount);

/** The error that the service answered, however deep the SDK has wrapped it. */
export async function refusal(attempt) {
  try {
    await attempt();
  } catch (thrown) {
    const told = [];
    for (let error = thrown; error; error = error.cause) told.push(error);
    const { code = null } = told.find((error) => typeof error.code === "number") ?? {};
    const { data } = told.find((error) => error.data?.reason) ?? {};
    return { code, reason: data?.reason ?? thrown.name, message: thrown.details ?? thrown.message };
  }
  return { code: null, reason: null, message: "it was not refused" };
}

export class Scene {
  constructor({ open, sdk, notes, url, chain, name }) {
    Object.assign(this, { open, sdk, notes, url, chain, name });
    this.node = createPublicClient({
      chain: { 84532: baseSepolia, 421614: arbitrumSepolia }[chain],
      transport: http(url, { batch: true, retryCount: 0 }),
    });
  }

  /** A key of this journey alone. */
  key(role) {
    return keccak256(toBytes(`${this.sdk}/${this.name}/${role}`));
  }

  address(role) {
    return privateKeyToAddress(this.key(role));
  }

  client(role, account) {
    return this.open({ url: this.url, chain: this.chain, key: this.key(role), account });
  }

  /** The owner's smart account: a client that acts for it. */
  async owner(role = "owner") {
    const { address } = await this.client(role).requestAccount({ creationHint: { accountType: "sma-b" } });
    return Object.assign(this.client(role, address), { address });
  }

  /** The same journey, reading another chain. */
  on(chain) {
    const url = new URL(this.url);
    url.pathname = `/chain/${chain}/v2/dev`;
    return new Scene({ ...this, url: url.href, chain });
  }

  /** What is answered to one request. */
  async answer(method, params) {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    return await (await fetch(this.url, { method: "POST", body })).json();
  }

  /** One method of the sandbox itself, or of its node. */
  async rpc(method, params) {
    const { result, error } = await this.answer(method, params);
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  /** Makes the blocks of the next seconds. */
  async blocks(seconds = 1) {
    return await this.rpc("sandbox_advance", { seconds });
  }

  async now() {
    return Number((await this.node.getBlock()).timestamp);
  }

  async balance(holder, token = USDC) {
    return await this.node.readContract({ address: token, abi: erc20Abi, functionName: "balanceOf", args: [holder] });
  }

  /** A session key on an account: a client that acts by it. */
  async session(owner, permissions, { role = "session", seconds = 3_600 } = {}) {
    const granted = await owner.grantPermissions({
      account: owner.address,
      expirySec: (await this.now()) + seconds,
      key: { type: "secp256k1", publicKey: this.address(role) },
      permissions,
    });
    return Object.assign(this.client(role, owner.address), { address: owner.address, permissions: granted });
  }

  /** Prepares by session key, unless `capabilities` says otherwise sponsored. */
  async prepare(session, calls, capabilities = SPONSORED) {
    const { permissions } = session;
    return await session.prepareCalls({ calls, capabilities: { ...capabilities, ...(permissions && { permissions }) } });
  }

  /** Signs what was prepared, by the session's key or another role's, and sends it. */
  async send(session, prepared, role) {
    const signer = role ? this.client(role, session.address) : session;
    const signed = await signer.signPreparedCalls(prepared);
    const { permissions } = session;
    const { id } = await session.sendPreparedCalls({ ...signed, ...(permissions && { capabilities: { permissions } }) });
    return id;
  }

  /** Prepares, signs, sends, and waits for the status as the SDK does. */
  async run(session, calls, capabilities = SPONSORED) {
    const id = await this.send(session, await this.prepare(session, calls, capabilities));
    await this.blocks();
    return await this.outcome(session, id);
  }

  async outcome(client, id) {
    const { statusCode, receipts = [], ...rest } = await client.waitForCallsStatus({
      id,
      pollingInterval: 50,
      timeout: 20_000,
    });
    return { id, code: statusCode, receipts, ...rest };
  }
}
