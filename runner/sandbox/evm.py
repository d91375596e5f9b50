"""
A thin wrapper of revm: typed calls, typed failures, logs as bytes.

The journal of pyrevm is never cleared: `commit` only leaves a checkpoint. So state grows by about
half a kilobyte a call, slots once touched stay warm, and a simulation that is reverted leaves no
trace at all, gas prices included.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from typing import Final

from pyrevm import EVM, AccountInfo, BlockEnv, CfgEnv, Env

from runner.ethereum.address import Address
from runner.frozen import frozen

_REVERT = re.compile(r"Revert \{ gas_used: (\d+), output: 0x([0-9a-fA-F]*) \}")
_HALT = re.compile(r"Halt \{ reason: (.*), gas_used: (\d+) \}")

BLOCK_GAS_LIMIT: Final = 60_000_000
"""Gas of one block."""

_NOWHERE: Final = Address("0x00000000000000000000000000000000DEAdc0De")


@frozen
class Log:
    """An event of a contract; `address` in lower case."""

    address: str
    topics: tuple[bytes, ...]
    data: bytes


@frozen
class StateOverride:
    """
    How an account is to be otherwise: balance in wei, code, storage slots; None for as it is.

    `is_whole` tells that the account has no slots but these.
    """

    address: Address
    balance: int | None = None
    code: bytes | None = None
    storage: Mapping[int, int] = field(default_factory=dict)
    is_whole: bool = False


class Reverted(Exception):
    """A call did not stand. `output` is its revert data, `halt` the reason when it has none."""

    def __init__(self, output: bytes, halt: str | None = None) -> None:
        super().__init__(halt or "execution reverted")
        self.output = output
        self.halt = halt


class Evm:
    """The state of one chain."""

    def __init__(self, chain_id: int) -> None:
        self._evm = EVM(
            env=Env(cfg=CfgEnv(chain_id=chain_id), block=BlockEnv(number=0, timestamp=0)),
            spec_id="PRAGUE",
        )

    def enter_block(self, number: int, timestamp: int, base_fee: int) -> None:
        """Say which block the following calls are in (`timestamp` in seconds, fee in wei)."""
        self._evm.set_block_env(
            BlockEnv(
                number=number, timestamp=timestamp, basefee=base_fee, gas_limit=BLOCK_GAS_LIMIT
            )
        )

    def call(
        self, caller: Address, to: Address, data: bytes, value: int = 0
    ) -> tuple[bytes, tuple[Log, ...]]:
        """
        Make a call that lasts.

        Raises:
            Reverted: Nothing changed.
        """
        output = self._run(caller, to, data, value)
        return output, self._logs()

    def attempt(
        self, caller: Address, to: Address, data: bytes, value: int = 0
    ) -> tuple[bytes, tuple[Log, ...]]:
        """
        Make a call and take it back.

        Raises:
            Reverted: As the call would.
        """
        checkpoint = self._evm.snapshot()
        try:
            output = self._run(caller, to, data, value)
            return output, self._logs()
        finally:
            self._evm.revert(checkpoint)

    def attempt_from(
        self, caller: Address, to: Address, data: bytes, value: int = 0
    ) -> tuple[bytes, tuple[Log, ...]]:
        """
        Make a call in anybody's name and take it back.

        The interpreter takes no transaction from an address with code (EIP-3607), so a caller
        that has some is without it for as long as the call lasts.

        Raises:
            Reverted: As the call would.
        """
        code = self.code(caller)
        if not code:
            return self.attempt(caller, to, data, value)
        self.place(caller, b"")
        try:
            return self.attempt(caller, to, data, value)
        finally:
            self.place(caller, code)

    def attempt_code(self, caller: Address, code: bytes, value: int = 0) -> bytes:
        """
        Run code that stands nowhere, as a call without a recipient does, and take it back.

        Raises:
            Reverted: As the code does.
        """
        self.place(_NOWHERE, code)
        try:
            return self.attempt_from(caller, _NOWHERE, b"", value)[0]
        finally:
            self.place(_NOWHERE, b"")

    def place(self, address: Address, code: bytes) -> None:
        """Put code at an address; its balance and storage stay."""
        info = AccountInfo(balance=self.balance(address), nonce=1, code=code)  # type: ignore[call-arg]  # pyrevm's stub leaves `balance` out
        self._evm.insert_account_info(address, info)

    def construct(self, address: Address, init_code: bytes, deployer: Address) -> bytes:
        """
        Run a constructor at a chosen address and put what it returns there.

        Raises:
            Reverted: The constructor reverted; the address is as it was.
        """
        before = self.code(address)
        self.place(address, init_code)
        try:
            runtime, _ = self.call(deployer, address, b"")
        except Reverted:
            self.place(address, before)
            raise
        self.place(address, runtime)
        return runtime

    def balance(self, address: Address) -> int:
        """Return a balance in wei."""
        return int(self._evm.get_balance(address))

    def set_balance(self, address: Address, amount: int) -> None:
        """Set a balance in wei."""
        self._evm.set_balance(address, amount)

    def code(self, address: Address) -> bytes:
        """Return the code at an address, empty where there is none."""
        # The interpreter's form of empty code is one STOP.
        code = bytes(self._evm.get_code(address) or b"")
        return b"" if code == b"\0" else code

    def storage(self, address: Address, slot: int) -> int:
        """Return a storage slot."""
        return int(self._evm.storage(address, slot))

    @contextmanager
    def overridden(self, overrides: Sequence[StateOverride]) -> Iterator[None]:
        """Let accounts be otherwise for as long as the context lasts."""
        before = [self._override(each) for each in overrides]
        try:
            yield
        finally:
            for each in reversed(before):
                self._override(each)

    def _override(self, wanted: StateOverride) -> StateOverride:
        """Change an account; returns what changes it back."""
        address = wanted.address
        before = StateOverride(
            address,
            balance=None if wanted.balance is None else self.balance(address),
            code=None if wanted.code is None else self.code(address),
            storage={slot: self.storage(address, slot) for slot in wanted.storage},
        )
        if wanted.code is not None:
            self.place(address, wanted.code)
        if wanted.balance is not None:
            self.set_balance(address, wanted.balance)
        for slot, value in wanted.storage.items():
            self._evm.insert_account_storage(address, slot, value)
        return before

    def _run(self, caller: Address, to: Address, data: bytes, value: int) -> bytes:
        try:
            return bytes(self._evm.message_call(caller, to, calldata=data, value=value))
        except RuntimeError as error:
            text = str(error)
            if match := _REVERT.search(text):
                raise Reverted(bytes.fromhex(match[2])) from None
            if match := _HALT.search(text):
                raise Reverted(b"", match[1]) from None
            raise Reverted(b"", text[:200]) from None

    def _logs(self) -> tuple[Log, ...]:
        result = self._evm.result
        return () if result is None else tuple(_log(log) for log in result.logs)


def _log(log: object) -> Log:
    topics: Sequence[bytes]
    topics, data = log.data  # type: ignore[attr-defined]  # pyrevm exports no Log type at run time
    return Log(str(log.address).lower(), tuple(bytes(topic) for topic in topics), bytes(data))  # type: ignore[attr-defined]  # as above
