"""
The Wallet API of one profile, as the port asks for it.

Reads and `wallet_prepareCalls`, which has no effect, are repeated here. `wallet_createSession` and
`wallet_sendPreparedCalls` leave once: whether the same bytes go out again, the engine decides.
"""

from __future__ import annotations

import random as random_module
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

from pydantic import ValidationError

from runner.adapters.chain import RpcChainReader
from runner.adapters.wallet_api.answers import AccountAnswer, StatusAnswer
from runner.adapters.wallet_api.endpoint import Endpoint
from runner.adapters.wallet_api.messages import (
    accept,
    account_request,
    calls_request,
    encode,
    first_fault,
    kept_offer,
    operation_offer,
    sealed_request,
    sent_call_id,
    session_offer,
    session_request,
)
from runner.adapters.wallet_api.methods import METHODS
from runner.adapters.wallet_api.transport import (
    JsonRpcTransport,
    Observer,
    Post,
    unobserved,
)
from runner.errors import AnswerLost, EncodingError, WalletRefused
from runner.ethereum.address import Address
from runner.ethereum.calls import Call
from runner.ethereum.permissions import Permission
from runner.guard.offer import OperationOffer, SessionOffer
from runner.ports import CallsStatus, Clock, FeeOverride

UNKNOWN_CALL_ID: Final = 5730
"""Error code for an id that the service never heard of (EIP-5792)."""


class WalletApiClient:
    """
    `ports.WalletApi` over HTTP; closed by `aclose` or `async with`.

    Args:
        url: Where `wallet_*` goes; may hold a key in its path.
        api_key: Sent as `Authorization: Bearer`, if the URL holds none.
        rate_limit: Requests a second of this profile, evidence included; None for no limit.
        timeout_seconds: For one request; `timeouts` has exceptions by method.
        chain_url: The service's own URL for `eth_*` of a chain; without it, `url`.
        random: Uniform in [0, 1), for the jitter of pauses.
        post: Who takes requests to the service; None for HTTP.
        observe: Who counts requests, evidence through this service included.

    Raises:
        UsageError: URL or key cannot be used.
    """

    def __init__(
        self,
        *,
        url: str,
        api_key: str | None,
        clock: Clock,
        rate_limit: float | None = None,
        timeout_seconds: float = 10.0,
        timeouts: Mapping[str, float] | None = None,
        retries: int = 3,
        chain_url: Callable[[int], str] | None = None,
        random: Callable[[], float] = random_module.random,
        post: Post | None = None,
        observe: Observer = unobserved,
    ) -> None:
        endpoint = Endpoint(url, api_key)
        del url, api_key  # a traceback with locals must not show them
        self._endpoint = endpoint
        self._rpc = JsonRpcTransport(
            endpoint,
            clock=clock,
            rate_limit=rate_limit,
            timeout_seconds=timeout_seconds,
            timeouts=timeouts,
            retries=retries,
            random=random,
            post=post,
            observe=observe,
        )
        self._chain_url = chain_url
        self._chains: dict[int, JsonRpcTransport] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections, also those of the chain readers."""
        await self._rpc.aclose()

    @property
    def origin(self) -> str:
        """Scheme, host and port: all of the URL that may be shown."""
        return self._rpc.origin

    def chain_reader(self, chain_id: int) -> RpcChainReader:
        """Return a reader of a chain through the service's own endpoint, key included."""
        if self._chain_url is None:
            return RpcChainReader(self._rpc, chain_id=chain_id)
        if chain_id not in self._chains:
            endpoint = self._endpoint.moved_to(self._chain_url(chain_id))
            self._chains[chain_id] = self._rpc.at(endpoint)
        return RpcChainReader(self._chains[chain_id], chain_id=chain_id)

    def take_key(self, api_key: str) -> bool:
        """
        Send this key from now on, to chains as well; whether it is another one than before.

        Raises:
            UsageError: It cannot be used; the one before stays.
        """
        changed = self._rpc.take_key(api_key)
        self._endpoint = self._endpoint.with_key(api_key)
        for rpc in self._chains.values():
            rpc.take_key(api_key)
        return changed

    async def request_account(
        self, owner: Address, *, salt: int, additional: bool = False, delegated: bool = False
    ) -> Address:
        """
        Return the account of this owner as the service names it; sends no transaction.

        `delegated` asks for the owner's own address (EIP-7702).
        """
        method = "wallet_requestAccount"
        request = account_request(owner, salt, additional=additional, delegated=delegated)
        result = await self._call(method, request, repeat=True)
        answer: AccountAnswer = self._accept(method, result)
        return answer.account_address

    async def create_session(
        self,
        *,
        account: Address,
        chain_id: int,
        expiry: int,
        key: Address,
        permissions: Sequence[Permission],
    ) -> SessionOffer:
        """Ask for a session; `expiry` in unix seconds, 0 for none. Never repeated here."""
        method = "wallet_createSession"
        request = session_request(
            account=account, chain_id=chain_id, expiry=expiry, key=key, permissions=permissions
        )
        result = await self._call(method, request, repeat=False)
        return session_offer(result, self._what(method))

    async def prepare_calls(
        self,
        *,
        account: Address,
        chain_id: int,
        calls: Sequence[Call],
        context: bytes | None,
        gas_policy: str | None,
        nonce_key: int | None = None,
        fees: FeeOverride | None = None,
        delegate: bool = False,
    ) -> OperationOffer:
        """
        Ask for an operation; nothing is reserved by it, so it is repeated like a read.

        `delegate` asks besides for what an EOA signs to run the account's code: the owner's
        business, never a run's (G9).
        """
        method = "wallet_prepareCalls"
        request = calls_request(
            account=account,
            chain_id=chain_id,
            calls=calls,
            context=context,
            gas_policy=gas_policy,
            nonce_key=nonce_key,
            fees=fees,
            delegate=delegate,
        )
        result = await self._call(method, request, repeat=True)
        return operation_offer(result, self._what(method))

    def keep_offer(self, offer: OperationOffer) -> dict[str, Any]:
        """Return an operation that was prepared as a document that `read_offer` reads."""
        return kept_offer(offer)

    def read_offer(self, answer: Mapping[str, Any]) -> OperationOffer:
        """Read an answer of `wallet_prepareCalls` that was kept as a document."""
        return operation_offer(answer, "the prepared operation")

    def seal(
        self,
        offer: OperationOffer,
        signature: bytes,
        *others: bytes,
        context: bytes | None,
        gas_policy: str | None,
    ) -> bytes:
        """
        Return the request that sends a signed operation, to be stored before it goes out.

        An array takes one signature for each of its parts.
        """
        return sealed_request(offer, (signature, *others), context=context, gas_policy=gas_policy)

    async def send_prepared_calls(self, sealed: bytes) -> str:
        """Send what `seal` made, byte for byte and once; return the call id."""
        method = "wallet_sendPreparedCalls"
        result = await self._rpc.call(method, b"[" + sealed + b"]", repeat=False)
        return sent_call_id(result, self._what(method))

    async def get_calls_status(self, call_id: str) -> CallsStatus:
        """Return what the service says of a call id; one it never heard of is an answer too."""
        method = "wallet_getCallsStatus"
        try:
            result = await self._call(method, call_id, repeat=True)
        except WalletRefused as refusal:
            if refusal.code == UNKNOWN_CALL_ID:
                return CallsStatus(code=0, known=False)
            raise
        answer: StatusAnswer = self._accept(method, result)
        if answer.id.lower() != call_id.lower():
            raise AnswerLost(f"{self._what(method)}: the answer is about another call id")
        return CallsStatus(code=answer.status)

    async def request(self, method: str, *params: Any) -> Any:
        """
        Call any method of the specification, in its own words.

        For what no run needs: the parameters are plain objects in camelCase, read as strictly as
        an answer and sent in one spelling; the answer is its model.

        Raises:
            EncodingError: There is no such method, or the specification does not allow this.
        """
        spec = METHODS.get(method)
        if spec is None:
            raise EncodingError(f"the specification has no method {method[:80]!r}")
        try:
            read = spec.params.validate_python(list(params))
        except ValidationError as error:
            raise EncodingError(f"{method}: {first_fault(error)}") from None
        wire = spec.params.dump_python(read, mode="json", by_alias=True, exclude_unset=True)
        result = await self._rpc.call(method, encode(wire), repeat=spec.repeat)
        return self._accept(method, result)

    def _accept(self, method: str, result: Any) -> Any:
        return accept(METHODS[method].answer, result, self._what(method))

    def _call(self, method: str, param: Any, *, repeat: bool) -> Awaitable[Any]:
        return self._rpc.call(method, encode([param]), repeat=repeat)

    def _what(self, method: str) -> str:
        return f"{self.origin}: {method}"
