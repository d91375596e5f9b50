// @account-kit/wallet-client 4.x: `from`, hex numbers, `paymasterService`; nothing is checked locally.
import { LocalAccountSigner } from "@aa-sdk/core";
import { alchemy, arbitrumSepolia, baseSepolia } from "@account-kit/infra";
import { createSmartWalletClient, formatSign, prepareSign } from "@account-kit/wallet-client";
import { toHex } from "viem";

const CHAINS = { 84532: baseSepolia, 421614: arbitrumSepolia };

function hexed(value) {
  if (typeof value === "bigint") return toHex(value);
  if (Array.isArray(value)) return value.map(hexed);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, hexed(each)]));
}

function renamed({ paymaster, ...capabilities }) {
  return hexed({ ...capabilities, ...(paymaster && { paymasterService: paymaster }) });
}

function request({ account, capabilities, ...rest }) {
  return {
    ...hexed(rest),
    ...(account && { from: account }),
    ...(capabilities && { capabilities: renamed(capabilities) }),
  };
}

export function open({ url, chain, key, account, policyId }) {
  const client = createSmartWalletClient({
    transport: alchemy({ rpcUrl: url }),
    chain: CHAINS[chain],
    signer: LocalAccountSigner.privateKeyToAccountSigner(key),
    ...(account && { account }),
    ...(policyId && { policyId }),
  });
  return {
    ...client,
    grantPermissions: (params) => client.grantPermissions(hexed(params)),
    prepareCalls: (params) => client.prepareCalls(request(params)),
    sendCalls: (params) => client.sendCalls(request(params)),
    sendPreparedCalls: ({ capabilities, ...signed }) =>
      client.sendPreparedCalls({ ...signed, ...(capabilities && { capabilities: renamed(capabilities) }) }),
    statusOf: async (id) => {
      const { status, ...rest } = await client.getCallsStatus(id);
      return { code: status, ...rest };
    },
    prepareSign: (params) => prepareSign(client, request(params)),
    formatSign: (params) => formatSign(client, request(params)),
  };
}
