// Sessions as the SDK's own PermissionBuilder compiles them, to hold the sandbox's answers against.
import { LocalAccountSigner } from "@aa-sdk/core";
import { alchemy, arbitrumSepolia, baseSepolia } from "@account-kit/infra";
import { createModularAccountV2Client } from "@account-kit/smart-contracts";
import { PermissionBuilder } from "@account-kit/smart-contracts/experimental";

/** Returns a function that compiles permissions for an account as the SDK does. */
export async function compiler({ url, chain, key, account }) {
  const client = await createModularAccountV2Client({
    chain: { 84532: baseSepolia, 421614: arbitrumSepolia }[chain],
    transport: alchemy({ rpcUrl: url }),
    signer: LocalAccountSigner.privateKeyToAccountSigner(key),
    accountAddress: account,
  });
  return async ({ sessionKey, permissions, entityId, nonce, deadline }) => {
    const builder = new PermissionBuilder({
      client,
      key: { publicKey: sessionKey, type: "secp256k1" },
      entityId,
      nonce,
      deadline,
    });
    return await builder.addPermissions({ permissions }).compileDeferred();
  };
}

const SELECTORS = ["0xa9059cbb", "0x095ea7b3", "0x23b872dd", "0xd0e30db0", "0x00000000", "0xb61d27f6", "0x001a63e9"];

/** A permission set by chance: sound ones, and the mistakes that the builder refuses. */
export function permissionsBy(chance, account) {
  const pick = (list) => list[Math.floor(chance() * list.length)];
  const number = () => `0x${(BigInt(Math.floor(chance() * 2 ** 40)) ** BigInt(pick([0, 1, 2, 5]))).toString(16)}`;
  const address = () =>
    pick([`0x${"0".repeat(39)}1`, `0x${"ab".repeat(20)}`, `0x${"cd".repeat(20)}`, `0x${"0".repeat(40)}`, account]);
  const functions = () => Array.from({ length: 1 + Math.floor(chance() * 3) }, () => pick(SELECTORS));
  const forms = [
    () => ({ type: "native-token-transfer", data: { allowance: number() } }),
    () => ({ type: "erc20-token-transfer", data: { address: address(), allowance: number() } }),
    () => ({ type: "erc20-token-transfer", data: { address: `0x${"ef".repeat(20)}`, allowance: number() } }),
    () => ({ type: "gas-limit", data: { limit: number() } }),
    () => ({ type: "contract-access", data: { address: address() } }),
    () => ({ type: "account-functions", data: { functions: functions() } }),
    () => ({ type: "functions-on-all-contracts", data: { functions: functions() } }),
    () => ({ type: "functions-on-contract", data: { address: address(), functions: functions() } }),
  ];
  if (chance() < 0.05) return [{ type: "root" }];
  const chosen = Array.from({ length: 1 + Math.floor(chance() * 4) }, () => pick(forms)());
  if (chance() < 0.03) chosen.splice(Math.floor(chance() * chosen.length), 0, { type: "root" });
  return chosen;
}

/** Numbers in [0, 1) that are the same in every run. */
export function seeded(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
