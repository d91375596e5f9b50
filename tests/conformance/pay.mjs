// node pay.mjs URL ACCOUNTS: pays by session keys as v4 of the SDK has it, and tells what it cost.
// Each line on stdin is a number of payments; each line on stdout is {cpu, wall} in seconds for
// them. Prepared, signed, sent, and the status asked for once: no ledger, and nothing is checked.
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { LocalAccountSigner } from "@aa-sdk/core";
import { alchemy, baseSepolia } from "@account-kit/infra";
import { createSmartWalletClient } from "@account-kit/wallet-client";
import { toHex } from "viem";
import { open } from "./v4.mjs";
import { erc20, gasLimit, native, POLICY, Scene, transfer } from "./scene.mjs";

const [url, accounts] = process.argv.slice(2);
const AT_ONCE = 16; // requests on their way, as one process would have them
const PER_BLOCK = 4; // operations of one sender that a bundler holds
const sponsored = { policyId: POLICY };
const payee = "0x00000000000000000000000000000000000A11cE";
let paid = 0;

async function payer(number) {
  const scene = new Scene({ open, sdk: "v4", url, chain: 84532, name: `pay-${number}` });
  const owner = await scene.owner();
  const { permissions } = await scene.session(owner, [erc20(10n ** 12n), native(0n), gasLimit(0n)]);
  const client = createSmartWalletClient({
    transport: alchemy({ rpcUrl: url }),
    chain: baseSepolia,
    signer: LocalAccountSigner.privateKeyToAccountSigner(scene.key("session")),
    account: owner.address,
  });
  await send({ client, permissions }, [], undefined); // installs the session
  return { client, permissions };
}

async function send({ client, permissions }, calls, nonceOverride) {
  const capabilities = { permissions, paymasterService: sponsored };
  const prepared = await client.prepareCalls({
    calls,
    from: client.account.address,
    capabilities: { ...capabilities, ...(nonceOverride && { nonceOverride }) },
  });
  const signed = await client.signPreparedCalls(prepared);
  return await client.sendPreparedCalls({ ...signed, capabilities });
}

async function pay(from) {
  paid += 1;
  return await send(from, [transfer(payee, 10_000n)], { nonceKey: toHex(paid) });
}

/** At most so many at once, as a pool of workers does it. */
async function pooled(items, work) {
  const results = [];
  const queue = items.entries();
  const worker = async () => {
    for (const [place, item] of queue) results[place] = await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}

async function settled(from, { preparedCallIds: [id] }) {
  const { status } = await from.client.getCallsStatus(id);
  if (status !== 200) throw new Error(`${id} has status ${status}`);
}

const payers = await pooled([...Array(Number(accounts)).keys()], payer);
console.log("ready");
for await (const line of createInterface({ input: process.stdin })) {
  const began = process.cpuUsage();
  const from = performance.now();
  for (let left = Number(line); left > 0; left -= payers.length * PER_BLOCK) {
    const turn = Array.from({ length: Math.min(left, payers.length * PER_BLOCK) }, (_, n) => payers[n % payers.length]);
    const sent = await pooled(turn, pay);
    await sleep(2100); // until a block has all of them
    await pooled([...turn.entries()], ([place, each]) => settled(each, sent[place]));
  }
  const { user, system } = process.cpuUsage(began);
  console.log(JSON.stringify({ cpu: (user + system) / 1e6, wall: (performance.now() - from) / 1e3 }));
}
