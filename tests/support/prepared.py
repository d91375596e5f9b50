"""What a wallet service answers to `wallet_prepareCalls`: an operation that it pays for."""

PREPARED = {
    "type": "user-operation-v070",
    "data": {
        "sender": "0x76E765e80FFAC96ac10Aa8908a8267A3B80d606D",
        "nonce": "0x10000000000000000",
        "callData": "0x34FCD5be",
        "paymaster": "0x3f222Df6aB18C1E10d0Ec136503c3B0dfd929048",
        "paymasterData": "0xabab",
        "paymasterVerificationGasLimit": "0x74d3",
        "paymasterPostOpGasLimit": "0x0",
        "maxPriorityFeePerGas": "0x60e4b0",
        "maxFeePerGas": "0x1bf52290",
        "callGasLimit": "0x02bb8",
        "verificationGasLimit": "0xc845",
        "preVerificationGas": "0x14b74",
    },
    "chainId": "0x66eee",
    "signatureRequest": {
        "type": "personal_sign",
        "data": {"raw": "0x" + 32 * "5a"},
        "rawPayload": "0x" + 32 * "a5",
    },
    "feePayment": {"sponsored": True, "tokenAddress": "0x" + 40 * "0", "maxAmount": "0x0"},
    "details": {"type": "user-operation", "data": {"hash": "0x" + 32 * "5a", "calls": []}},
}
