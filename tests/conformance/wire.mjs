// Stands between an SDK and the sandbox: every exchange is noted and held against the published
// schemas, and nothing but loopback is reached.
import * as v4 from "@alchemy/wallet-api-types-v4/rpc";
import * as v5 from "@alchemy/wallet-api-types/rpc";
import { Value } from "typebox/value";
import { z } from "zod";

// What the published schemas leave open (they take "0xhello" for hex) is closed here.
const hexOf = (bytes) => z.string().regex(bytes ? new RegExp(`^0x[0-9a-f]{${2 * bytes}}$`) : /^0x([0-9a-f]{2})*$/);
const quantity = z.string().regex(/^0x(0|[1-9a-f][0-9a-f]*)$/);
const address = z.string().regex(/^0x[0-9a-fA-F]{40}$/);
const log = z.strictObject({
  address,
  data: hexOf(),
  topics: z.array(hexOf(32)).max(4),
  blockNumber: quantity,
  blockHash: hexOf(32),
  transactionHash: hexOf(32),
  transactionIndex: quantity,
  logIndex: quantity,
  removed: z.literal(false),
});
const receipt = z.looseObject({
  transactionHash: hexOf(32),
  transactionIndex: quantity,
  blockHash: hexOf(32),
  blockNumber: quantity,
  from: address,
  to: address,
  status: z.enum(["0x0", "0x1"]),
  gasUsed: quantity,
  cumulativeGasUsed: quantity,
  effectiveGasPrice: quantity,
  contractAddress: z.null(),
  logsBloom: hexOf(256),
  type: quantity,
  logs: z.array(log),
});
const transaction = z.strictObject({
  hash: hexOf(32),
  blockHash: hexOf(32),
  blockNumber: quantity,
  transactionIndex: quantity,
  chainId: quantity,
  type: quantity,
  from: address,
  to: address,
  nonce: quantity,
  value: quantity,
  input: hexOf(),
  gas: quantity,
  gasPrice: quantity,
  maxFeePerGas: quantity,
  maxPriorityFeePerGas: quantity,
  accessList: z.array(z.never()),
  yParity: quantity,
  v: quantity,
  r: quantity,
  s: quantity,
});
const node = {
  eth_blockNumber: quantity,
  eth_call: hexOf(),
  eth_chainId: quantity,
  eth_getBalance: quantity,
  eth_getBlockByNumber: z.looseObject({
    number: quantity,
    hash: hexOf(32),
    parentHash: hexOf(32),
    timestamp: quantity,
    gasLimit: quantity,
    gasUsed: quantity,
    baseFeePerGas: quantity,
    miner: address,
    logsBloom: hexOf(256),
    transactions: z.array(z.union([hexOf(32), transaction])),
  }),
  eth_getCode: hexOf(),
  eth_getLogs: z.array(log),
  eth_getTransactionCount: quantity,
  eth_getTransactionByHash: transaction.nullable(),
  eth_getTransactionReceipt: receipt.nullable(),
  eth_getUserOperationReceipt: z
    .strictObject({
      userOpHash: hexOf(32),
      entryPoint: address,
      sender: address,
      nonce: quantity,
      paymaster: address,
      actualGasCost: quantity,
      actualGasUsed: quantity,
      success: z.boolean(),
      reason: hexOf(),
      logs: z.array(log),
      receipt,
    })
    .nullable(),
};
const error = z.strictObject({ code: z.int(), message: z.string().min(1), data: z.unknown().optional() });

// The schema adds to typed data what follows from their domain and no server sends.
const isSent = (name) => name !== "EIP712Domain";
const lower = (value) =>
  typeof value === "string" && value.startsWith("0x")
    ? value.toLowerCase()
    : Array.isArray(value)
      ? value.map(lower)
      : value && typeof value === "object"
        ? Object.fromEntries(Object.keys(value).sort().filter(isSent).map((name) => [name, lower(value[name])]))
        : value;
const same = (a, b) => JSON.stringify(lower(a)) === JSON.stringify(lower(b));

function faults(sdk, method, result) {
  const found = [];
  const schema = v5[method]?.shape.ReturnType;
  if (schema) {
    const read = schema.safeDecode(result);
    if (!read.success) found.push(z.prettifyError(read.error));
    // Written again by the schema it must be what it was: no member that the schema does not know,
    // no number in another form than the shortest.
    else if (!same(schema.encode(read.data), result)) found.push("not what the schema would write");
  }
  if (sdk === "v4" && v4[method] && !Value.Check(v4[method].properties.ReturnType, result)) {
    found.push(`v4: ${JSON.stringify(Value.Errors(v4[method].properties.ReturnType, result))}`);
  }
  if (node[method]) {
    const read = node[method].safeParse(result);
    if (!read.success) found.push(z.prettifyError(read.error));
  }
  return found;
}

function judge(sdk, asked, answered) {
  const found = [];
  if (answered.jsonrpc !== "2.0" || answered.id !== asked.id) found.push("not an answer to this request");
  if ("result" in answered === "error" in answered) found.push("neither a result nor an error");
  if ("error" in answered) {
    const read = error.safeParse(answered.error);
    if (!read.success) found.push(z.prettifyError(read.error));
  } else found.push(...faults(sdk, asked.method, answered.result));
  return found;
}

/** Puts itself before the global fetch; returns what it notes. */
export function watch(sdk) {
  const notes = { methods: {}, violations: [], exchanges: 0 };
  const fetch = globalThis.fetch;
  globalThis.fetch = async (target, options) => {
    const url = new URL(target instanceof Request ? target.url : target);
    if (url.hostname !== "127.0.0.1") throw new Error(`an SDK reaches for ${url.host}`);
    notes.exchanges++;
    const response = await fetch(target, options);
    if (notes.ordered) return response; // a journey has asked for broken answers
    const answers = [await response.clone().json()].flat();
    for (const request of [JSON.parse(options.body)].flat()) {
      const answer = answers.find((each) => each.id === request.id) ?? {};
      const what = judge(sdk, request, answer);
      notes.methods[request.method] = (notes.methods[request.method] ?? 0) + 1;
      if (what.length) notes.violations.push({ method: request.method, what, request, answer });
    }
    return response;
  };
  return notes;
}
