"""
A program that signs: a device, a token, a key that is kept by somebody else's software.

It is told on its standard input, as one JSON document, what is to be signed and by what it was
made; it prints the signature. No shell is between, it sees none of this process's secrets, and
what it prints is believed only when it recovers to the owner's address.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from typing import TypeVar

from runner.adapters.signers.admission import admit
from runner.errors import EncodingError, SignerError, SignerUnavailable
from runner.ethereum.address import Address
from runner.ethereum.signature import SIGNATURE_SIZE, recover_address
from runner.guard.verdict import Approved
from runner.policy.secrets import masked
from runner.reporting.signing import sign_request

T = TypeVar("T")

REFUSED = 77
"""Exit status by which a program says no for good (EX_NOPERM of sysexits.h)."""

_MOST_OUTPUT = 1024
_MOST_COMPLAINT = 4096
_MOST_SHOWN = 200
_SIGNATURE = re.compile(r"(?:0[xX])?([0-9a-fA-F]+)")
_LONG = re.compile(r"[A-Za-z0-9+_=-]{43,}")
"""Longer than an address, without a break: a key, a token, a signature."""

_PASSED_ON = frozenset({"PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR"})
_PASSED_ON_PREFIXES = ("LC_", "XDG_")


class CommandSigner:
    """
    Implements `ports.Signer` by running a program for each signature.

    Args:
        words: The program and its arguments.
        address: Whose signatures it makes; every one is checked against it.
        timeout_seconds: How long it may take, the time of somebody who presses a button included.
        environment: Of this process. The program gets the few variables that say who and where
            it is, so that it finds no other key in there.
    """

    def __init__(
        self,
        words: tuple[str, ...],
        address: Address,
        *,
        name: str,
        sandbox_only: bool,
        timeout_seconds: float,
        environment: Mapping[str, str],
    ) -> None:
        self._words = words
        self._address = address
        self._name = name
        self._sandbox_only = sandbox_only
        self._timeout = timeout_seconds
        self._environment = {
            name: value
            for name, value in environment.items()
            if name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIXES)
        }

    def __repr__(self) -> str:
        return f"CommandSigner({self._name}, {self._address})"

    @property
    def address(self) -> Address:
        """Whose signatures these are."""
        return self._address

    @property
    def program(self) -> str | None:
        """Where the program is; None: it is not there, or is not to be executed."""
        return shutil.which(self._words[0], path=self._environment.get("PATH"))

    async def sign(self, approved: Approved) -> bytes:
        """
        65 bytes r ‖ s ‖ v, v 27 or 28, by the owner's key.

        Raises:
            SignerUnavailable: the program took too long, or failed: it may do better next time.
            SignerError: it cannot be run, said no, or printed something else.
        """
        admit(approved, name=self._name, address=self._address, sandbox_only=self._sandbox_only)
        document = json.dumps(sign_request(approved), indent=2) + "\n"
        return self._checked(await self._run(document.encode()), approved.digest)

    async def _run(self, document: bytes) -> bytes:
        """What the program printed, when it says that it is done."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self._words,
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                env=self._environment,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "its words cannot be passed on"
            raise SignerError(
                f"the program of signer {self._name} cannot be run: {reason}",
                hint=f"check `signers.{self._name}.command` in runner.yaml, and that the file is "
                "executable; then `runner grants renew SESSION`",
            ) from None
        try:
            async with asyncio.timeout(self._timeout):
                printed, complaint, _ = await asyncio.gather(
                    self._output(process), _complaint(process), _tell(process, document)
                )
                status = await process.wait()
        except TimeoutError:
            raise SignerUnavailable(
                f"the program of signer {self._name} gave no answer in {self._timeout:g} s",
                hint=f"raise `signers.{self._name}.timeout` if somebody has to press a button",
            ) from None
        finally:
            await _end(process)
        if status != 0:
            raise self._failed(status, complaint)
        return printed

    async def _output(self, process: Process) -> bytes:
        """Everything it prints, within bounds: a signature is short."""
        stream, printed = _pipe(process.stdout), b""
        while piece := await stream.read(_MOST_OUTPUT):
            printed += piece
            if len(printed) > _MOST_OUTPUT:
                raise self._no_signature("more than a signature")
        return printed

    def _failed(self, status: int, complaint: bytes) -> SignerError:
        how = f"was ended by signal {-status}" if status < 0 else f"failed with status {status}"
        said = _shown(complaint)
        what = f"the program of signer {self._name} {how}" + (f": {said}" if said else "")
        if status == REFUSED:
            return SignerError(
                what.replace(how, "refused to sign"),
                hint="what it was asked is in the audit trail; to ask again: "
                "runner grants renew SESSION",
            )
        return SignerUnavailable(
            what, hint=f"it is asked again; a program that means no ends with status {REFUSED}"
        )

    def _checked(self, printed: bytes, digest: bytes) -> bytes:
        text = printed.decode("ascii", "replace").strip()
        match = _SIGNATURE.fullmatch(text)
        if match is None or len(match[1]) != 2 * SIGNATURE_SIZE:
            raise self._no_signature("nothing" if not text else f"{len(text)} characters")
        signature = bytes.fromhex(match[1])
        try:
            signer = recover_address(digest, signature)
        except EncodingError as error:
            raise self._no_signature(f"none that counts: {error.what}") from None
        if signer != self._address:
            raise SignerError(
                f"the program of signer {self._name} signed as {signer}, the owner is "
                f"{self._address}, or it signed something else; nothing was sent",
                hint="let it sign `digest` as it is, without another hash or prefix, with the key "
                f"of `signers.{self._name}.address`",
            )
        return signature

    def _no_signature(self, printed: str) -> SignerError:
        return SignerError(
            f"the program of signer {self._name} printed no signature: {printed}",
            hint="it prints 0x and 130 hex digits: r, s in the lower half, v as 27 or 28",
        )


def _pipe(stream: T | None) -> T:
    if stream is None:
        raise AssertionError("the program was started with all three pipes")
    return stream


async def _tell(process: Process, document: bytes) -> None:
    stream = _pipe(process.stdin)
    with suppress(BrokenPipeError, ConnectionResetError):  # it may sign without reading all of it
        stream.write(document)
        await stream.drain()
        stream.close()
        await stream.wait_closed()


async def _complaint(process: Process) -> bytes:
    """The beginning of what it says to people; the rest is read and dropped."""
    stream, said = _pipe(process.stderr), b""
    while piece := await stream.read(_MOST_COMPLAINT):
        said += piece[: _MOST_COMPLAINT - len(said)]
    return said


async def _end(process: Process) -> None:
    """Nothing that it started goes on without it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(TimeoutError):
        async with asyncio.timeout(5):
            await process.wait()


def _shown(complaint: bytes) -> str:
    """Its last line, for a log: no control characters, nothing that could be a key."""
    lines = [line for line in complaint.decode("utf-8", "replace").splitlines() if line.strip()]
    if not lines:
        return ""
    line = "".join(each if each.isprintable() else " " for each in lines[-1].strip())
    return _LONG.sub("(not shown)", masked(line))[:_MOST_SHOWN]
