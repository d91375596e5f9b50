"""
Modular Account v2 and its modules: addresses, the same on every chain, and selectors.

A session whose modules are not in this list is refused.

Source: mav2.md §1 and §10; the deployed contracts of Modular Account v2.
"""

from __future__ import annotations

from typing import Final

from runner.ethereum.address import Address

FACTORY: Final = Address("0x00000000000017c61b5bEe81050EC8eFc9c6fecd")
"""Makes the accounts."""

SEMI_MODULAR_IMPLEMENTATION: Final = Address("0x000000000000c5A9089039570Dd36455b5C07383")
"""SemiModularAccountBytecode: the default account, its owner in the proxy's code."""

SEMI_MODULAR_STORAGE_IMPLEMENTATION: Final = Address("0x0000000000006E2f9d80CaEc0Da6500f005EB25A")
"""SemiModularAccountStorageOnly."""

MODULAR_ACCOUNT_IMPLEMENTATION: Final = Address("0x00000000000002377B26b1EdA7b0BC371C60DD4f")
"""ModularAccount."""

DELEGATE_7702: Final = Address("0x69007702764179f14F51cdce752f4f775d74E139")
"""SemiModularAccount7702: what an EOA delegates to (EIP-7702)."""

SINGLE_SIGNER_MODULE: Final = Address("0x00000000000099DE0BF6fA90dEB851E2A2df7d83")
"""SingleSignerValidationModule: one key validates; every session key is one of these."""

WEBAUTHN_MODULE: Final = Address("0x0000000000001D9d34E07D9834274dF9ae575217")
"""WebAuthnValidationModule."""

ALLOWLIST_MODULE: Final = Address("0x00000000003e826473A313E600b5b9B791f5a59a")
"""AllowlistModule, the redeployment 2.0.1: which targets and selectors, and ERC-20 limits."""

ALLOWLIST_MODULE_2_0_0: Final = Address("0x0000000000002311EEE9A2B887af1F144dbb4F6e")
"""The first AllowlistModule, blind behind an `executeUserOp` prefix: never to be accepted."""

NATIVE_LIMIT_MODULE: Final = Address("0x00000000000001e541f0D090868FBe24b59Fbe06")
"""NativeTokenLimitModule: limits on native value and on gas cost."""

TIME_RANGE_MODULE: Final = Address("0x00000000000082B8e2012be914dFA4f62A0573eA")
"""TimeRangeModule: when a key is valid."""

PAYMASTER_GUARD_MODULE: Final = Address("0x0000000000001aA7A7F7E29abe0be06c72FD42A1")
"""PaymasterGuardModule; no permission installs it."""

EXECUTE: Final = bytes.fromhex("b61d27f6")
"""`execute(address,uint256,bytes)`"""

EXECUTE_BATCH: Final = bytes.fromhex("34fcd5be")
"""`executeBatch((address,uint256,bytes)[])`"""

EXECUTE_USER_OP: Final = bytes.fromhex("8dd7712f")
"""`executeUserOp`: as a prefix of the call data it hands the operation to execution hooks."""

EXECUTE_WITH_RUNTIME_VALIDATION: Final = bytes.fromhex("f2680c0f")
"""`executeWithRuntimeValidation(bytes,bytes)`"""

INSTALL_VALIDATION: Final = bytes.fromhex("1bbf564c")
"""`installValidation(bytes25,bytes4[],bytes,bytes[])`"""

UNINSTALL_VALIDATION: Final = bytes.fromhex("b6b1ccfe")
"""`uninstallValidation(bytes24,bytes,bytes[])`"""

INSTALL_EXECUTION: Final = bytes.fromhex("001a63e9")
"""`installExecution`"""

UNINSTALL_EXECUTION: Final = bytes.fromhex("93b1dc61")
"""`uninstallExecution`"""

PERFORM_CREATE: Final = bytes.fromhex("5998db5c")
"""`performCreate(uint256,bytes,bool,bytes32)`"""

UPGRADE_TO_AND_CALL: Final = bytes.fromhex("4f1ef286")
"""`upgradeToAndCall(address,bytes)`"""

UPDATE_FALLBACK_SIGNER: Final = bytes.fromhex("30009d52")
"""`updateFallbackSignerData(address,bool)`: replaces the owner."""

GET_VALIDATION_DATA: Final = bytes.fromhex("d31b575b")
"""`getValidationData(bytes24)`"""

VALIDATION_UNINSTALLED_TOPIC: Final = bytes.fromhex(
    "43f7309d11ba6b2e180e9ab8a6da09d2fa1f585d7daed4b26c1c7f2a90b867a2"
)
"""First topic of `ValidationUninstalled(address indexed,uint32 indexed,bool)`."""

IS_VALID_SIGNATURE: Final = bytes.fromhex("1626ba7e")
"""`isValidSignature(bytes32,bytes)` (ERC-1271)"""

CREATE_SEMI_MODULAR_ACCOUNT: Final = bytes.fromhex("8b4e464e")
"""`createSemiModularAccount(address,uint256)` of the factory"""

INCREMENT_NONCE: Final = bytes.fromhex("0bd28e3b")
"""`incrementNonce(uint192)` of the EntryPoint"""

GET_NONCE: Final = bytes.fromhex("35567e1a")
"""`getNonce(address,uint192)` of the EntryPoint"""

OWNER_ENTITY: Final = 0
"""Entity id of the built-in owner validation."""

LARGEST_ENTITY_ID: Final = 2**31 - 2
"""Largest entity id of a session, so that `entity + SECOND_HOOK_OFFSET` stays a uint32."""

SECOND_HOOK_OFFSET: Final = 2**31 - 1
"""Added to the entity id where a module is installed a second time for the same session."""
