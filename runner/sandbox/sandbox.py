"""
The sandbox in process: methods in, values or errors out. The server is a shell round it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from runner.errors import EncodingError
from runner.sandbox import control, gas, node, rpc, signing, wallet, wire
from runner.sandbox.faults import Faults, is_found, tampered
from runner.sandbox.journal import Journal
from runner.sandbox.prepare import prepare_calls
from runner.sandbox.rpc import RpcError, invalid
from runner.sandbox.send import send_prepared_calls
from runner.sandbox.service import Service, TimeSource
from runner.sandbox.stored import restore
from runner.sandbox.world import World

__all__ = ["CONTROLS", "DEFAULT_CHAIN_ID", "RpcError", "Sandbox"]

DEFAULT_CHAIN_ID: Final = 84_532
"""base-sepolia."""

_VERSION: Final = "runner-sandbox/1"


class Sandbox:
    """A wallet service with its own chains. Not for threads: one caller at a time."""

    def __init__(
        self,
        *,
        chain_id: int = DEFAULT_CHAIN_ID,
        time_source: TimeSource = time.time,
        state: Path | None = None,
        faucet: bool = True,
    ) -> None:
        """
        Start a sandbox, or go on where one has stopped.

        Args:
            chain_id: The chain of `eth_*` and `sandbox_*` methods that name none.
            time_source: Returns unix seconds; blocks follow it.
            state: File that keeps everything, None to keep nothing.
            faucet: Whether new accounts are given ether and tokens; a stored state keeps its own.

        Raises:
            StoreError: The state file is in use, damaged or of another version.
        """
        journal = None if state is None else Journal(state)
        self._service = Service(
            chain_id=chain_id, time_source=time_source, journal=journal, faucet=faucet
        )
        try:
            if restore(self._service):
                self._service.world(chain_id)
            else:
                self._service.begin()
        except BaseException:  # whatever stops us, the journal is free for the next one
            self._service.close()
            raise

    @property
    def faults(self) -> Faults:
        """The faults in force."""
        return self._service.faults

    @property
    def now(self) -> int:
        """Time of the newest block, unix seconds."""
        return self._service.now

    def mine_until(self, now: float | None = None) -> None:
        """Make all blocks up to a time, unix seconds; by default up to now."""
        self._service.mine_until(self._service.now if now is None else int(now))

    def handle(self, method: str, params: Any, *, chain_id: int | None = None) -> Any:
        """
        Answer one request.

        Args:
            method: Its name.
            params: Positional, or for `sandbox_*` also by name.
            chain_id: The chain that the path names.

        Raises:
            RpcError: The answer is an error.
        """
        self.mine_until()
        world = self._service.world(self._service.chain_id if chain_id is None else chain_id)
        if undone := self.faults.take("reorg", method):
            for each in self._service.worlds.values():
                control.reorganise(self._service, each, undone.depth)
        try:
            result = self._dispatch(method, params, world)
        except EncodingError as error:
            raise invalid(error.what) from None
        changed = self.faults.take(
            "tamper", method, applies=lambda fault: is_found(result, fault.path)
        )
        return result if changed is None else tampered(result, changed)

    def close(self) -> None:
        """Close the state file."""
        self._service.close()

    def _dispatch(self, method: str, params: Any, world: World) -> Any:
        if params is None:
            params = []
        if method in _CONTROLS:
            if not isinstance(params, list | dict):
                raise invalid("params must be an array or an object")
            return _CONTROLS[method](self._service, world, params)
        if not isinstance(params, list):
            raise invalid("params must be an array")
        if method in _WALLET:
            if len(params) != 1:
                raise invalid("params must hold one object")
            return _WALLET[method](self._service, wire.members(params[0], "params[0]"))
        if method in _NODE:
            return _NODE[method](self._service, world, params)
        what = f"the method {method[:80]} does not exist"
        raise rpc.refused(rpc.UNKNOWN_METHOD, "UnknownMethod", what)


def _get_calls_status(service: Service, _world: World, params: list[Any]) -> dict[str, Any]:
    if len(params) != 1:
        raise invalid("params must hold one call id")
    return wallet.get_calls_status(service, params[0])


def _get_capabilities(_service: Service, _world: World, params: list[Any]) -> dict[str, Any]:
    if not 1 <= len(params) <= 2:
        raise invalid("params must hold an address and perhaps chain ids")
    wire.address(params[0], "params[0]")
    if len(params) == 2:
        for chain in wire.items(params[1], "params[1]"):
            wire.chain_id(chain, "params[1]")
    return wallet.get_capabilities()


def _get_block_by_number(service: Service, world: World, params: list[Any]) -> Any:
    tag = params[0] if params else "latest"
    block = node.get_block(
        world, node.block_tag(world, tag, "params[0]"), full=len(params) > 1 and params[1] is True
    )
    return _skewed(service, block, "eth_getBlockByNumber")


def _get_block_by_hash(service: Service, world: World, params: list[Any]) -> Any:
    wanted = wire.bytes32(params[0] if params else None, "params[0]")
    full = len(params) > 1 and params[1] is True
    block = node.get_block(world, node.block_by_hash(world, wanted), full=full)
    return _skewed(service, block, "eth_getBlockByHash")


def _skewed(service: Service, block: dict[str, Any] | None, method: str) -> dict[str, Any] | None:
    fault = service.faults.take("clock_skew", method)
    if fault is not None and block is not None:
        block["timestamp"] = hex(max(0, int(block["timestamp"], 16) + int(fault.seconds)))
    return block


def _reset(service: Service, _world: World, _params: Any) -> None:
    service.reset()


_WALLET: Final[dict[str, Callable[[Service, dict[str, Any]], Any]]] = {
    "wallet_requestAccount": wallet.request_account,
    "wallet_createAccount": wallet.request_account,
    "wallet_listAccounts": wallet.list_accounts,
    "wallet_createSession": wallet.create_session,
    "wallet_prepareCalls": prepare_calls,
    "wallet_sendPreparedCalls": send_prepared_calls,
    "wallet_prepareSign": signing.prepare_sign,
    "wallet_formatSign": signing.format_sign,
}

_NODE: Final[dict[str, Callable[[Service, World, list[Any]], Any]]] = {
    "wallet_getCallsStatus": _get_calls_status,
    "wallet_getCapabilities": _get_capabilities,
    "eth_chainId": lambda _, world, __: hex(world.chain_id),
    "net_version": lambda _, world, __: str(world.chain_id),
    "web3_clientVersion": lambda _, __, ___: _VERSION,
    "eth_blockNumber": lambda _, world, __: hex(world.head_number),
    "eth_gasPrice": lambda service, _, __: hex(service.base_fee + gas.PRIORITY_FEE),
    "eth_maxPriorityFeePerGas": lambda _, __, ___: hex(gas.PRIORITY_FEE),
    "eth_call": node.call,
    "eth_getCode": lambda _, world, params: node.get_code(world, params),
    "eth_getBalance": lambda _, world, params: node.get_balance(world, params),
    "eth_getTransactionCount": lambda _, world, params: node.get_transaction_count(world, params),
    "eth_getLogs": lambda _, world, params: node.get_logs(world, params),
    "eth_getBlockByNumber": _get_block_by_number,
    "eth_getBlockByHash": _get_block_by_hash,
    "eth_getTransactionByHash": lambda _, world, params: node.get_transaction(world, params),
    "eth_getTransactionReceipt": lambda _, world, params: node.get_transaction_receipt(
        world, params
    ),
    "eth_getUserOperationReceipt": lambda _, world, params: node.get_user_operation_receipt(
        world, params
    ),
}

_CONTROLS: Final[dict[str, Callable[[Service, World, Any], Any]]] = {
    "sandbox_setTime": lambda service, _, params: control.set_time(service, params),
    "sandbox_advance": lambda service, _, params: control.advance(service, params),
    "sandbox_mint": control.mint,
    "sandbox_fund": control.fund,
    "sandbox_deployToken": control.deploy_token,
    "sandbox_deploy": control.deploy,
    "sandbox_setFault": control.set_fault,
    "sandbox_clearFaults": lambda service, _, __: control.clear_faults(service),
    "sandbox_getOps": lambda _, world, __: control.get_ops(world),
    "sandbox_reset": _reset,
}

CONTROLS: Final = tuple(_CONTROLS)
"""The `sandbox_*` methods."""
