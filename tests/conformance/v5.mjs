// @alchemy/wallet-apis 5.x: `account`, bigints, `paymaster`; everything is checked by schema.
import { alchemyWalletTransport, createSmartWalletClient, formatSign, prepareSign } from "@alchemy/wallet-apis";
import { privateKeyToAccount } from "viem/accounts";
import { arbitrumSepolia, baseSepolia } from "viem/chains";

const CHAINS = { 84532: baseSepolia, 421614: arbitrumSepolia };

export function open({ url, chain, key, account, policyId }) {
  const client = createSmartWalletClient({
    transport: alchemyWalletTransport({ url, retryDelay: 5 }),
    chain: CHAINS[chain],
    signer: privateKeyToAccount(key),
    ...(account && { account }),
    ...(policyId && { paymaster: { policyId } }),
  });
  return {
    ...client,
    statusOf: async (id) => {
      const { statusCode, ...rest } = await client.getCallsStatus({ id });
      return { code: statusCode, ...rest };
    },
    prepareSign: (params) => prepareSign(client, params),
    formatSign: (params) => formatSign(client, params),
  };
}
