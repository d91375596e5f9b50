// What a wallet does, told once for both SDKs. A journey returns facts; pytest knows what they
// must be. Each has accounts of its own, so that their order does not matter.
import { concatHex, encodeAbiParameters, parseAbi, parseAbiItem } from "viem";
import { compiler, permissionsBy, seeded } from "./builder.mjs";
import {
  call,
  DAI,
  ENTRY_POINT,
  erc20,
  gasLimit,
  native,
  POLICY,
  refusal,
  SPONSORED,
  transfer,
  USDC,
} from "./scene.mjs";

const HOUR = 3_600;
const BIG_SUM = 10_000_000n;
const ENTITY_1 = "0x00000000000099de0bf6fa90deb851e2a2df7d8300000001";

export const journeys = {
  async account(t) {
    const client = t.client("owner");
    const first = await client.requestAccount({ creationHint: { accountType: "sma-b" } });
    const again = await t.client("owner").requestAccount({ creationHint: { accountType: "sma-b" } });
    const byAddress = await t.client("owner").requestAccount({ accountAddress: first.address });
    const second = await client.requestAccount({ creationHint: { createAdditional: true, salt: "0x7" } });
    const page = await client.listAccounts({ limit: 1 });
    const rest = await client.listAccounts({ limit: 1, after: page.meta.after });
    return {
      owner: t.address("owner"),
      first: first.address,
      again: again.address,
      byAddress: byAddress.address,
      second: second.address,
      listed: [...page.accounts, ...rest.accounts].map((each) => each.accountAddress),
      total: page.meta.totalCount,
      after: rest.meta.after,
      code: (await t.node.getCode({ address: first.address })) ?? null,
      ether: await t.node.getBalance({ address: first.address }),
      usdc: await t.balance(first.address),
    };
  },

  async owner_sponsored(t) {
    const owner = await t.owner();
    const to = t.address("payee");
    const before = await t.node.getBalance({ address: owner.address });
    await t.rpc("sandbox_setFault", { kind: "never_include", count: 1 });
    const { id } = await owner.sendCalls({ calls: [{ to, value: 5n }], capabilities: SPONSORED });
    const pending = await owner.statusOf(id);
    await t.rpc("sandbox_clearFaults", []);
    await t.blocks(2);
    const { code, receipts } = await t.outcome(owner, id);
    return {
      pending: pending.code,
      code,
      received: await t.node.getBalance({ address: to }),
      spent: before - (await t.node.getBalance({ address: owner.address })),
      receiptStatus: receipts[0].status,
      deployed: ((await t.node.getCode({ address: owner.address })) ?? "0x").length > 2,
    };
  },

  async owner_pays_gas(t) {
    const owner = await t.owner();
    const to = t.address("payee");
    const before = await t.node.getBalance({ address: owner.address });
    const prepared = await t.prepare(owner, [{ to, value: 5n }], {});
    const id = await t.send(owner, prepared);
    await t.blocks();
    const { code, receipts } = await t.outcome(owner, id);
    const receipt = await t.rpc("eth_getUserOperationReceipt", [prepared.details.data.hash]);
    const mined = await t.node.waitForTransactionReceipt({ hash: receipt.receipt.transactionHash });
    const block = await t.node.getBlock({ blockNumber: mined.blockNumber, includeTransactions: true });
    const deposit = await t.node.readContract({
      address: ENTRY_POINT,
      abi: parseAbi(["function balanceOf(address) view returns (uint256)"]),
      functionName: "balanceOf",
      args: [owner.address],
    });
    return {
      code,
      sponsored: prepared.feePayment.sponsored,
      maxAmount: prepared.feePayment.maxAmount,
      paymaster: prepared.data.paymaster ?? null,
      received: await t.node.getBalance({ address: to }),
      spent: before - (await t.node.getBalance({ address: owner.address })) - deposit,
      cost: BigInt(receipt.actualGasCost),
      success: receipt.success,
      transaction: receipt.receipt.transactionHash,
      inReceipts: receipts[0].transactionHash,
      mined: mined.status,
      inBlock: block.transactions.map((each) => each.hash),
    };
  },

  async waits_for_a_block(t) {
    const owner = await t.owner();
    const { id } = await owner.sendCalls({ calls: [{ to: t.address("payee") }], capabilities: SPONSORED });
    return { code: (await t.outcome(owner, id)).code }; // nobody moves the clock
  },

  async session(t) {
    const owner = await t.owner();
    const to = t.address("payee");
    const session = await t.session(owner, [erc20(BIG_SUM), native(0n), gasLimit(10n ** 17n)]);
    const first = await t.prepare(session, [transfer(to, 2n), transfer(to, 3n)]);
    const id = await t.send(session, first);
    await t.blocks();
    const installed = await t.outcome(session, id);
    const later = await t.prepare(session, [transfer(to, 4n)], {});
    const paid = await t.outcome(session, (await sent(t, session, later)).id);
    const event = parseAbiItem(
      "event UserOperationEvent(bytes32 indexed userOpHash, address indexed sender, address indexed paymaster, uint256 nonce, bool success, uint256 actualGasCost, uint256 actualGasUsed)",
    );
    const logs = await t.node.getLogs({
      address: ENTRY_POINT,
      event,
      args: { sender: owner.address },
      fromBlock: "earliest",
      toBlock: "latest",
    });
    return {
      context: session.permissions.context,
      codes: [installed.code, paid.code],
      id,
      hash: first.details.data.hash,
      chainId: t.chain,
      nonces: [first.data.nonce, later.data.nonce].map(BigInt),
      factories: [first.data.factory ?? null, later.data.factory ?? null],
      callData: first.data.callData.slice(0, 18),
      received: await t.balance(to),
      events: logs.map(({ args }) => ({ hash: args.userOpHash, success: args.success, nonce: args.nonce })),
      hashes: [first.details.data.hash, later.details.data.hash],
    };
  },

  async session_by_id_and_signature(t) {
    const owner = await t.owner();
    const session = await t.session(owner, [erc20(BIG_SUM)]);
    const { context } = session.permissions;
    session.permissions = { sessionId: `0x${context.slice(4, 36)}`, signature: `0x${context.slice(36)}` };
    const { code } = await t.run(session, [transfer(t.address("payee"), 6n)]);
    return { code, received: await t.balance(t.address("payee")) };
  },

  async sessions_as_the_sdk_builds_them(t) {
    const owner = await t.owner();
    const account = owner.address;
    const compile = await compiler({ url: t.url, chain: t.chain, key: t.key("owner"), account });
    const chance = seeded(7_836);
    const facts = { same: 0, refused: {}, differences: [] };
    for (let n = 0; n < 300; n++) {
      const permissions = permissionsBy(chance, account);
      const deadline = chance() < 0.2 ? 0 : (await t.now()) + HOUR;
      const sessionKey = t.address("session");
      const answer = await t.answer("wallet_createSession", [
        { account, chainId: `0x${t.chain.toString(16)}`, expirySec: deadline, key: { publicKey: sessionKey, type: "secp256k1" }, permissions },
      ]);
      const theirs = answer.error ? answer.error.message.split(":")[0] : answer.result.signatureRequest.data.message;
      let ours;
      try {
        const nonce = 0x102n + (permissions[0].type === "root" ? 1n : 0n);
        const { typedData } = await compile({ sessionKey, permissions, entityId: 1, nonce: nonce << 64n, deadline });
        ours = { ...typedData.message, nonce: `0x${typedData.message.nonce.toString(16)}` };
      } catch (error) {
        ours = error.name === "Error" ? error.message : error.name.replace("PermissionBuilder: ", "");
      }
      if (JSON.stringify(ours).toLowerCase() !== JSON.stringify(theirs).toLowerCase()) {
        facts.differences.push({ permissions, ours, theirs });
      } else if (answer.error) facts.refused[ours] = (facts.refused[ours] ?? 0) + 1;
      else facts.same++;
    }
    return facts;
  },

  async local_and_installed_context(t) {
    const owner = await t.owner();
    const account = owner.address;
    const compile = await compiler({ url: t.url, chain: t.chain, key: t.key("owner"), account });
    const { typedData, fullPreSignatureDeferredActionDigest } = await compile({
      sessionKey: t.address("session"),
      permissions: [{ type: "erc20-token-transfer", data: { address: USDC, allowance: "0x64" } }],
      entityId: 5,
      nonce: 0x502n << 64n,
      deadline: (await t.now()) + HOUR,
    });
    const { data } = await owner.signSignatureRequest({ type: "eth_signTypedData_v4", data: typedData });
    const local = concatHex(["0x01", fullPreSignatureDeferredActionDigest, "0x0000004200", data]);
    const session = Object.assign(t.client("session", account), { address: account, permissions: { context: local } });
    const first = await t.run(session, [transfer(t.address("payee"), 1n)]);
    const second = await t.run(session, [transfer(t.address("payee"), 2n)]);
    session.permissions = { context: "0x020000000005" };
    const third = await t.run(session, [transfer(t.address("payee"), 4n)]);
    const ops = (await t.rpc("sandbox_getOps", [])).filter((op) => op.sender === account);
    return {
      codes: [first.code, second.code, third.code],
      entities: ops.map((op) => op.entityId),
      received: await t.balance(t.address("payee")),
    };
  },

  async kinds_of_keys(t, sdk) {
    const facts = {};
    for (const type of sdk === "v4" ? ["secp256k1", "contract"] : ["secp256k1", "ecdsa", "contract"]) {
      const owner = await t.owner(type);
      const granted = await owner.grantPermissions({
        account: owner.address,
        expirySec: (await t.now()) + HOUR,
        key: { type, publicKey: t.address("session") },
        permissions: [erc20(10n)],
      });
      const session = Object.assign(t.client("session", owner.address), { address: owner.address, permissions: granted });
      facts[type] = (await t.run(session, [transfer(t.address("payee"), 1n)])).code;
    }
    return facts;
  },

  async another_chain(t) {
    // wallet_* requests name their chain, whatever the path says; eth_* go by the path.
    const chain = { 84532: 421614, 421614: 84532 }[t.chain];
    const owner = await t.owner();
    const there = t.open({ url: t.url, chain, key: t.key("owner"), account: owner.address });
    const { id } = await there.sendCalls({ calls: [transfer(t.address("payee"), 11n)], capabilities: SPONSORED });
    await t.blocks();
    const { code } = await t.outcome(there, id);
    const { chainId } = await there.statusOf(id);
    return {
      code,
      chain,
      chainId: Number(chainId),
      here: await t.balance(t.address("payee")),
      there: await t.on(chain).balance(t.address("payee")),
    };
  },

  async data_suffix(t) {
    const owner = await t.owner();
    const session = await t.session(owner, [erc20(BIG_SUM)]);
    const suffix = { ...SPONSORED, experimental_dataSuffix: { value: "0xc0ffee" } };
    const prepared = await t.prepare(session, [transfer(t.address("payee"), 1n)], suffix);
    const { code } = await t.outcome(session, (await sent(t, session, prepared)).id);
    return { code, end: prepared.data.callData.slice(-6), received: await t.balance(t.address("payee")) };
  },

  async activation(t) {
    const owner = await t.owner();
    const session = await t.session(owner, [erc20(BIG_SUM), gasLimit(0n)]);
    const empty = await t.run(session, []);
    const paid = await t.run(session, [transfer(t.address("payee"), 7n)]);
    const unsponsored = await refusal(() => t.prepare(session, [transfer(t.address("payee"), 1n)], {}));
    const ops = (await t.rpc("sandbox_getOps", [])).filter((op) => op.sender === owner.address);
    return {
      codes: [empty.code, paid.code],
      unsponsored,
      ops: ops.map(({ entityId, calls, success, callId }) => ({ entityId, calls, success, callId })),
      ids: [empty.id, paid.id],
      received: await t.balance(t.address("payee")),
    };
  },

  async outside_the_permission(t) {
    const owner = await t.owner();
    const to = t.address("payee");
    const session = await t.session(owner, [erc20(100n), native(0n)]);
    await t.run(session, []);
    const tried = {
      otherToken: [transfer(to, 1n, DAI)],
      otherFunction: [call(USDC, "transferFrom(address,address,uint256)", owner.address, to, 1n)],
      anybody: [{ to, value: 1n }],
      tooMuch: [transfer(to, 101n)],
      tooMuchTogether: [transfer(to, 60n), transfer(to, 41n)],
      withValue: [{ ...transfer(to, 1n), value: 1n }],
      accountItself: [uninstall(owner.address)],
    };
    const refusals = {};
    for (const [name, calls] of Object.entries(tried)) {
      refusals[name] = await refusal(() => t.prepare(session, calls));
    }
    const { code } = await t.run(session, [transfer(to, 60n), call(USDC, "approve(address,uint256)", to, 40n)]);
    return { refusals, code, left: await refusal(() => t.prepare(session, [transfer(to, 1n)])), received: await t.balance(to) };
  },

  async every_permission(t) {
    const to = t.address("payee");
    const forms = {
      "contract-access": { address: USDC },
      "functions-on-contract": { address: USDC, functions: ["0xa9059cbb"] },
      "functions-on-all-contracts": { functions: ["0xa9059cbb"] },
      "account-functions": { functions: ["0x6f2de70e", "0xb61d27f7"] },
      root: undefined,
    };
    const facts = {};
    for (const [type, data] of Object.entries(forms)) {
      const owner = await t.owner(type);
      const session = await t.session(owner, [{ type, ...(data && { data }) }], { role: `${type} key` });
      facts[type] = {
        transfer: (await outcomeOf(() => t.run(session, [transfer(to, 1n)]))) ?? null,
        approve: (await outcomeOf(() => t.run(session, [call(USDC, "approve(address,uint256)", to, 1n)]))) ?? null,
        dai: (await outcomeOf(() => t.run(session, [transfer(to, 1n, DAI)]))) ?? null,
        ether: (await outcomeOf(() => t.run(session, [{ to, value: 1n }]))) ?? null,
      };
    }
    return facts;
  },

  async refused_permissions(t) {
    const owner = await t.owner();
    const grant = (permissions, seconds = HOUR) => refusal(() => t.session(owner, permissions, { seconds }));
    return {
      rootAndMore: await grant([{ type: "root" }, erc20(1n)]),
      limitsAlone: await grant([native(1n), gasLimit(1n)]),
      execute: await grant([{ type: "account-functions", data: { functions: ["0xb61d27f6"] } }]),
      zeroAddress: await grant([{ type: "contract-access", data: { address: `0x${"0".repeat(40)}` } }]),
      account: await grant([{ type: "contract-access", data: { address: owner.address } }]),
      past: await grant([erc20(1n)], -1),
    };
  },

  async gas_limit(t) {
    const owner = await t.owner();
    const to = t.address("payee");
    const session = await t.session(owner, [erc20(100n), gasLimit(10n ** 14n)]);
    await t.run(session, []);
    const prepared = await t.prepare(session, [transfer(to, 1n)], {});
    const { code } = await t.outcome(session, (await sent(t, session, prepared)).id);
    const refused = await refusal(async () => {
      for (let n = 0; n < 100; n++) await sent(t, session, await t.prepare(session, [transfer(to, 1n)], {}));
    });
    return { code, refused, sponsored: (await t.run(session, [transfer(to, 1n)])).code };
  },

  async wrong_key(t) {
    const owner = await t.owner();
    const to = t.address("payee");
    const session = await t.session(owner, [erc20(BIG_SUM)]);
    const prepared = await t.prepare(session, [transfer(to, 1n)]);
    const stranger = await refusal(() => t.send(session, prepared, "stranger"));
    const byOwner = await refusal(() => t.send(session, prepared, "owner"));
    const thief = Object.assign(t.client("stranger", owner.address), { address: owner.address });
    const forged = await t.session(thief, [{ type: "root" }]);
    const notByOwner = await refusal(() => t.prepare(forged, [transfer(to, 1n)]));
    const sessionAsOwner = await refusal(async () => t.send(owner, await t.prepare(owner, [transfer(to, 1n)]), "session"));
    return { stranger, byOwner, notByOwner, sessionAsOwner, received: await t.balance(to) };
  },

  async altered_after_signing(t) {
    const owner = await t.owner();
    const session = await t.session(owner, [erc20(BIG_SUM)]);
    const prepared = await t.prepare(session, [transfer(t.address("payee"), 1n)], {});
    const signed = await session.signPreparedCalls(prepared);
    const other = await t.prepare(session, [transfer(t.address("thief"), 1n)], {});
    signed.data = { ...signed.data, callData: other.data.callData };
    const { permissions } = session;
    return { refused: await refusal(() => session.sendPreparedCalls({ ...signed, capabilities: { permissions } })) };
  },

  async expired(t) {
    const owner = await t.owner();
    const session = await t.session(owner, [erc20(BIG_SUM)], { seconds: 100 });
    const to = t.address("payee");
    const inTime = await t.run(session, [transfer(to, 1n)]);
    const prepared = await t.prepare(session, [transfer(to, 1n)]);
    await t.rpc("sandbox_setTime", { timestamp: (await t.now()) + 100 });
    return {
      inTime: inTime.code,
      send: await refusal(() => t.send(session, prepared)),
      prepare: await refusal(() => t.prepare(session, [transfer(to, 1n)])),
      received: await t.balance(to),
    };
  },

  async never_used_and_expired(t) {
    const owner = await t.owner();
    const session = await t.session(owner, [erc20(BIG_SUM)], { seconds: 100 });
    await t.blocks(101);
    return { prepare: await refusal(() => t.prepare(session, [transfer(t.address("payee"), 1n)])) };
  },

  async lapses_while_it_waits(t) {
    const owner = await t.owner();
    const session = await t.session(owner, [erc20(BIG_SUM)], { seconds: 60 });
    await t.run(session, []);
    await t.rpc("sandbox_setFault", { kind: "late_include", seconds: 100, count: 1 });
    const prepared = await t.prepare(session, [transfer(t.address("payee"), 1n)]);
    const id = await t.send(session, prepared);
    await t.blocks(200);
    const { code, receipts } = await t.outcome(session, id);
    return { code, receipts: receipts.length, received: await t.balance(t.address("payee")) };
  },

  async reverted_when_included(t) {
    const owner = await t.owner();
    const to = t.address("payee");
    const session = await t.session(owner, [erc20(100n)]);
    await t.run(session, []);
    const prepared = [];
    for (const nonceKey of [1n, 2n]) {
      prepared.push(await t.prepare(session, [transfer(to, 60n)], { ...SPONSORED, nonceOverride: { nonceKey } }));
    }
    const ids = [await t.send(session, prepared[0]), await t.send(session, prepared[1])];
    await t.blocks();
    const [first, second] = [await t.outcome(session, ids[0]), await t.outcome(session, ids[1])];
    return {
      codes: [first.code, second.code],
      receiptStatus: [first.receipts[0].status, second.receipts[0].status],
      received: await t.balance(to),
    };
  },

  async replacement(t) {
    const owner = await t.owner();
    const to = t.address("payee");
    const session = await t.session(owner, [erc20(BIG_SUM)]);
    await t.run(session, []);
    const lane = { ...SPONSORED, nonceOverride: { nonceKey: 9n } };
    await t.rpc("sandbox_setFault", { kind: "never_include", count: 1 });
    const stuck = await t.prepare(session, [transfer(to, 1n)], lane);
    const stuckId = await t.send(session, stuck);
    const { maxFeePerGas, maxPriorityFeePerGas } = stuck.data;
    const [fee, tip] = [BigInt(maxFeePerGas), BigInt(maxPriorityFeePerGas)];
    const dear = (part) => ({ maxFeePerGas: (fee * part) / 100n + 1n, maxPriorityFeePerGas: (tip * part) / 100n + 1n });
    const cheap = await t.prepare(session, [], { ...lane, gasParamsOverride: dear(109n) });
    const underpriced = await refusal(() => t.send(session, cheap));
    const raised = await t.prepare(session, [], lane);
    const burn = await t.prepare(session, [], { ...lane, gasParamsOverride: dear(110n) });
    const burnId = await t.send(session, burn);
    await t.blocks();
    const [first, second] = [await t.outcome(session, stuckId), await t.outcome(session, burnId)];
    const next = await t.prepare(session, [transfer(to, 1n)], lane);
    return {
      underpriced,
      sameNonce: BigInt(stuck.data.nonce) === BigInt(burn.data.nonce),
      asked: burn.data.maxFeePerGas === cheap.data.maxFeePerGas ? "ignored" : BigInt(burn.data.maxFeePerGas) - dear(110n).maxFeePerGas,
      raisedEnough: BigInt(raised.data.maxFeePerGas) * 10n >= fee * 11n,
      codes: [first.code, second.code],
      sequences: [stuck, next].map(({ data }) => BigInt(data.nonce) & 0xffffffffffffffffn),
      received: await t.balance(to),
    };
  },

  async repeated_send(t) {
    const owner = await t.owner();
    const session = await t.session(owner, [erc20(BIG_SUM)]);
    const prepared = await t.prepare(session, [transfer(t.address("payee"), 1n)]);
    const ids = [await t.send(session, prepared), await t.send(session, prepared)];
    await t.blocks();
    ids.push(await t.send(session, prepared));
    return { ids, code: (await t.outcome(session, ids[0])).code, received: await t.balance(t.address("payee")) };
  },

  async at_most_four_wait(t) {
    const owner = await t.owner();
    const session = await t.session(owner, [erc20(BIG_SUM)]);
    await t.run(session, []);
    await t.rpc("sandbox_setFault", { kind: "never_include" });
    const prepared = [];
    for (let key = 1n; key <= 5n; key++) {
      const capabilities = { ...SPONSORED, nonceOverride: { nonceKey: key } };
      prepared.push(await t.prepare(session, [transfer(t.address("payee"), 1n)], capabilities));
    }
    const ids = [];
    for (const each of prepared.slice(0, 4)) ids.push(await t.send(session, each));
    const fifth = await refusal(() => t.send(session, prepared[4]));
    await t.rpc("sandbox_clearFaults", []);
    await t.blocks(2);
    const codes = [];
    for (const id of ids) codes.push((await t.outcome(session, id)).code);
    return { fifth, codes, received: await t.balance(t.address("payee")) };
  },

  async revoked(t) {
    const owner = await t.owner();
    const session = await t.session(owner, [erc20(BIG_SUM)]);
    await t.run(session, []);
    const before = await validationFlags(t, owner.address);
    const gone = await t.run(owner, [uninstall(owner.address)]);
    const refused = await refusal(() => t.prepare(session, [transfer(t.address("payee"), 1n)]));
    return { code: gone.code, refused, flags: [before, await validationFlags(t, owner.address)] };
  },

  async voided(t) {
    const owner = await t.owner();
    const session = await t.session(owner, [erc20(BIG_SUM)]);
    const gone = await t.run(owner, [call(ENTRY_POINT, "incrementNonce(uint192)", 0x102n)]);
    return { code: gone.code, refused: await refusal(() => t.prepare(session, [transfer(t.address("payee"), 1n)])) };
  },

  async delegation(t, sdk) {
    const address = t.address("owner");
    const owner = Object.assign(t.client("owner", address), { address });
    const hinted = await t.client("owner").requestAccount({ creationHint: { accountType: "7702" } });
    const prepared = await t.prepare(owner, [transfer(t.address("payee"), 8n)], { ...SPONSORED, eip7702Auth: true });
    const signed = await owner.signPreparedCalls(prepared);
    const early = await refusal(() => t.session(owner, [erc20(BIG_SUM)]));
    const { id } = await owner.sendPreparedCalls(signed);
    await t.blocks();
    const { code } = await t.outcome(owner, id);
    const delegated = await t.node.getCode({ address });
    const session = await t.session(owner, [erc20(BIG_SUM)]);
    const paid = await t.run(session, [transfer(t.address("payee"), 9n)]);
    const again = await t.run(session, [transfer(t.address("payee"), 10n)], {});
    const facts = {
      hinted: hinted.address,
      address,
      kinds: prepared.data.map((each) => each.type),
      delegate: prepared.data[0].data.address,
      authorizationNonce: Number(prepared.data[0].data.nonce),
      early,
      code,
      delegated,
      sessionCodes: [paid.code, again.code],
      transactions: await t.node.getTransactionCount({ address }),
      received: await t.balance(t.address("payee")),
    };
    if (sdk === "v5") {
      const { id: last } = await owner.undelegateAccount({ capabilities: SPONSORED });
      await t.blocks();
      facts.undelegated = (await t.outcome(owner, last)).code;
      facts.codeAfter = (await t.node.getCode({ address })) ?? null;
    }
    return facts;
  },

  async delegation_by_default(t, sdk) {
    // v5 acts for the signer's own address when no account is named; v4 must be told it.
    const owner = t.client("owner", sdk === "v4" ? t.address("owner") : undefined);
    const { id } = await owner.sendCalls({ calls: [{ to: t.address("payee"), value: 3n }] });
    await t.blocks();
    return { code: (await t.outcome(owner, id)).code, received: await t.node.getBalance({ address: t.address("payee") }) };
  },

  async sponsorship(t) {
    const owner = await t.owner();
    const to = t.address("payee");
    const policies = t.open({ url: t.url, chain: t.chain, key: t.key("owner"), account: owner.address, policyId: POLICY });
    const { id } = await policies.sendCalls({ calls: [{ to, value: 1n }] }); // the client's own policy
    await t.blocks();
    await t.rpc("sandbox_setFault", { kind: "refuse_sponsorship", count: 1 });
    const refused = await refusal(() => t.prepare(owner, [{ to, value: 1n }]));
    const listed = { paymaster: { policyIds: [POLICY, POLICY.replace("1111", "2222")], webhookData: "who" } };
    const several = await t.run(owner, [{ to, value: 1n }], listed);
    const estimate = await t.prepare(owner, [{ to, value: 1n }], { paymaster: { policyId: POLICY, onlyEstimation: true } });
    return {
      code: (await t.outcome(policies, id)).code,
      refused,
      several: several.code,
      signatureRequest: estimate.signatureRequest ?? null,
      unsigned: await refusal(() => owner.signPreparedCalls(estimate)),
    };
  },

  async gas_for_tokens(t) {
    const owner = await t.owner();
    const to = t.address("payee");
    const pay = (erc20) => ({ paymaster: { policyId: POLICY, erc20: { tokenAddress: USDC, ...erc20 } } });
    const permit = pay({ preOpSettings: { autoPermit: { below: BIG_SUM, amount: BIG_SUM } } });
    const asked = await t.prepare(owner, [transfer(to, 1n)], permit);
    const unsigned = await refusal(() => owner.signPreparedCalls(asked));
    const ether = await t.node.getBalance({ address: owner.address });
    const usdc = await t.balance(owner.address);
    const { id } = await owner.sendCalls({ calls: [transfer(to, 1n)], capabilities: permit }); // signs twice
    await t.blocks();
    const permitted = await t.outcome(owner, id);
    const fee = usdc - 1n - (await t.balance(owner.address));
    const approve = pay({ postOpSettings: { autoApprove: true } });
    const prepared = await t.prepare(owner, [transfer(to, 1n, DAI)], approve);
    const approved = await t.outcome(owner, (await sent(t, owner, prepared)).id);
    const session = await t.session(owner, [erc20(BIG_SUM)]);
    const bySession = await t.run(session, [transfer(to, 1n)], approve);
    return {
      type: asked.type,
      spender: asked.data.message.spender,
      unsigned,
      codes: [permitted.code, approved.code, bySession.code],
      fee,
      feePayment: prepared.feePayment,
      ether: ether - (await t.node.getBalance({ address: owner.address })),
      received: [await t.balance(to), await t.balance(to, DAI)],
      tooMuch: await refusal(() => t.prepare(owner, [], pay({ maxTokenAmount: 1n }))),
      noPermit: await refusal(() => t.prepare(session, [], pay({ preOpSettings: { autoPermit: { below: 2n ** 200n, amount: 1n } } }))),
    };
  },

  async state_override(t) {
    const owner = await t.owner();
    const balance = 10n ** 24n;
    const calls = [{ to: t.address("payee"), value: balance / 2n }];
    const rich = await t.prepare(owner, calls, { stateOverride: { [owner.address]: { balance } } });
    return { type: rich.type, poor: await refusal(() => t.prepare(owner, calls, {})) };
  },

  async gas_override(t) {
    const owner = await t.owner();
    const calls = [{ to: t.address("payee"), value: 1n }];
    const plain = await t.prepare(owner, calls, {});
    const gasParamsOverride = { callGasLimit: 333_333n, maxFeePerGas: 99_000_000n, preVerificationGas: { multiplier: 2 } };
    const chosen = await t.prepare(owner, calls, { gasParamsOverride });
    const id = await t.send(owner, chosen);
    await t.blocks();
    return {
      callGasLimit: BigInt(chosen.data.callGasLimit),
      maxFeePerGas: BigInt(chosen.data.maxFeePerGas),
      preVerificationGas: [plain, chosen].map(({ data }) => BigInt(data.preVerificationGas)),
      code: (await t.outcome(owner, id)).code,
    };
  },

  async reverting_call(t) {
    const owner = await t.owner();
    const tooMuch = transfer(t.address("payee"), 10n ** 30n);
    return { refused: await refusal(() => t.prepare(owner, [tooMuch])) };
  },

  async unknown_things(t) {
    const owner = await t.owner();
    const nothing = `0x${"00".repeat(16)}`;
    const context = `0x00${"11".repeat(16)}${"22".repeat(65)}`;
    const noSession = Object.assign(t.client("session", owner.address), { permissions: { context } });
    return {
      callId: await refusal(() => owner.statusOf(nothing)),
      session: await refusal(() => t.prepare(noSession, [])),
      account: await refusal(() => t.client("owner").requestAccount({ accountAddress: t.address("nobody") })),
    };
  },

  async rate_limited(t) {
    const owner = await t.owner();
    await t.rpc("sandbox_setFault", { kind: "rate_limit", method: "wallet_listAccounts", count: 1 });
    const began = Date.now();
    const refused = await refusal(() => owner.listAccounts({}));
    await t.rpc("sandbox_clearFaults", []);
    return { refused, milliseconds: Date.now() - began };
  },

  async broken_on_the_way(t) {
    const owner = await t.owner();
    const facts = {};
    for (const kind of ["error_500", "error_503", "reset", "malformed_json"]) {
      await t.rpc("sandbox_setFault", { kind, method: "wallet_listAccounts" });
      const before = t.notes.exchanges;
      t.notes.ordered = true;
      const refused = await refusal(() => owner.listAccounts({}));
      t.notes.ordered = false;
      facts[kind] = { refused, requests: t.notes.exchanges - before };
      await t.rpc("sandbox_clearFaults", []);
    }
    return { ...facts, after: (await owner.listAccounts({})).accounts.length };
  },

  async lost_reply(t) {
    const owner = await t.owner();
    const prepared = await t.prepare(owner, [{ to: t.address("payee"), value: 1n }]);
    await t.rpc("sandbox_setFault", { kind: "drop_reply_after_accept", method: "wallet_sendPreparedCalls", count: 1 });
    t.notes.ordered = true;
    const refused = await refusal(() => t.send(owner, prepared)); // v5 sends again by itself
    t.notes.ordered = false;
    const id = await t.send(owner, prepared);
    await t.blocks();
    return { refused, code: (await t.outcome(owner, id)).code, received: await t.node.getBalance({ address: t.address("payee") }) };
  },

  async signing(t) {
    const owner = await t.owner();
    const { address } = owner;
    const early = await owner.signMessage({ message: "early" }); // the account is not deployed yet
    const verifiedEarly = await t.node.verifyMessage({ address, message: "early", signature: early });
    await t.run(owner, []);
    const typed = {
      domain: { name: "Shop", version: "1", chainId: t.chain, verifyingContract: USDC },
      types: { Order: [{ name: "amount", type: "uint256" }] },
      primaryType: "Order",
      message: { amount: 5n },
    };
    const [message, order] = [await owner.signMessage({ message: "hello" }), await owner.signTypedData(typed)];
    const request = { account: owner.address, chainId: t.chain };
    const asked = await owner.prepareSign({ ...request, signatureRequest: { type: "personal_sign", data: "hello" } });
    const signed = await owner.signSignatureRequest(asked.signatureRequest);
    const formatted = await owner.formatSign({ ...request, signature: { type: "ecdsa", data: signed.data } });
    const verified = await t.node.verifyMessage({ address, message: "hello", signature: message });
    return {
      early,
      verifiedEarly,
      message,
      order,
      formatted: formatted.signature,
      primaryType: asked.signatureRequest.data.primaryType,
      verified,
      verifiedTyped: await t.node.verifyTypedData({ ...typed, address, signature: order }),
      verifiedOther: await t.node.verifyMessage({ address, message: "hallo", signature: message }),
    };
  },

  async batched_reads(t) {
    const owner = await t.owner();
    const before = t.notes.exchanges;
    const [chain, ether, usdc, code, block] = await Promise.all([
      t.node.getChainId(),
      t.node.getBalance({ address: owner.address }),
      t.balance(owner.address),
      t.node.getCode({ address: USDC }),
      t.node.getBlock({ blockTag: "earliest" }),
    ]);
    return {
      exchanges: t.notes.exchanges - before,
      chain,
      ether,
      usdc,
      code: code.length > 100,
      parent: BigInt(block.parentHash),
    };
  },

  async capabilities(t) {
    const owner = await t.owner();
    const answer = await t.rpc("wallet_getCapabilities", [owner.address]);
    const sdk = owner.getCapabilities ? Object.keys(await owner.getCapabilities()) : null;
    return { chains: Object.keys(answer), names: Object.keys(answer["0x0"]), sdk };
  },
};

/** Sends by session key and makes the block. */
async function sent(t, session, prepared) {
  const id = await t.send(session, prepared);
  await t.blocks();
  return { id };
}

/** The status code of what was run, or the reason why it was not. */
async function outcomeOf(run) {
  let code = null;
  const refused = await refusal(async () => {
    code = (await run()).code;
  });
  return code ?? refused.reason;
}

/** The account's own call that takes the session of entity 1 away and leaves its tables. */
function uninstall(account) {
  const data = encodeAbiParameters([{ type: "uint32" }], [1]);
  return call(account, "uninstallValidation(bytes24,bytes,bytes[])", ENTITY_1, data, []);
}

/** The flags that the account shows for entity 1. */
async function validationFlags(t, address) {
  const data = await t.node.readContract({
    address,
    abi: parseAbi([
      "function getValidationData(bytes24) view returns ((uint8 flags, bytes32[] validationHooks, bytes32[] executionHooks, bytes4[] selectors))",
    ]),
    functionName: "getValidationData",
    args: [ENTITY_1],
  });
  return data.flags;
}
