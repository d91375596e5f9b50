"""
Reading `signers`: where the keys of owners live.
"""

from __future__ import annotations

from runner.policy.addresses import read_address
from runner.policy.codes import Code
from runner.policy.language.config import SIGNER
from runner.policy.nodes import Node
from runner.policy.record import Record
from runner.policy.scalars import parse_boolean, parse_duration
from runner.settings.model import SIGNING_TIME, EnvRef, FileRef, SignerSpec
from runner.settings.reader import SettingsReader
from runner.settings.values import parse_sandbox_key, parse_variable

SANDBOX_KEY = "private_key_for_sandbox_only"
_KINDS = ("env", "file", "keystore", "command", "manual", SANDBOX_KEY)


def read_signers(reader: SettingsReader, node: Node | None) -> dict[str, SignerSpec]:
    """Read all signers."""
    found = {}
    for name, _, value in reader.named(node):
        record = reader.record(value, SIGNER)
        if record is not None:
            found[name] = _signer(reader, name, record)
    return found


def _signer(reader: SettingsReader, name: str, record: Record) -> SignerSpec:
    what = f"signer `{name}` has its key in exactly one place"
    reader.exactly_one(record, _KINDS, what, "write one of " + ", ".join(_KINDS))
    password = record.get("password")
    if password is not None and "keystore" not in record:
        what, hint = "`password` opens a `keystore`; there is none", "delete it"
        reader.fault(Code.BAD_REFERENCE, what, password, hint)
    command = record.get("command")
    _beside_command(reader, record)
    file, keystore = record.get("file"), record.get("keystore")
    source: EnvRef | FileRef | None = None
    if "env" in record:
        source = EnvRef(record.read("env", parse_variable, ""))
    elif file is not None:
        source = FileRef(reader.path(file))
    private_key = record.read(SANDBOX_KEY, parse_sandbox_key, None, hex64=True)
    return SignerSpec(
        source=source,
        keystore=None if keystore is None else reader.path(keystore),
        password=reader.reference(password),
        command=None if command is None else reader.program(command),
        address=record.read("address", read_address, None),
        timeout=record.read("timeout", parse_duration, SIGNING_TIME),
        manual=record.read("manual", read_address, None),
        private_key=private_key,
        sandbox_only=record.read("sandbox_only", parse_boolean, False) or private_key is not None,
    )


def _beside_command(reader: SettingsReader, record: Record) -> None:
    """A program is asked as whose it signs: the runner cannot find that out without signing."""
    if "command" in record:
        if record.lacks("address"):
            what = "a `command` signs as an `address`, which is missing"
            hint = "write the address of the key beside it: address: 0x…"
            reader.fault(Code.BAD_REFERENCE, what, record.place, hint)
        return
    for key in ("address", "timeout"):
        node = record.get(key)
        if node is not None:
            what = f"`{key}` belongs to a `command`; there is none"
            reader.fault(Code.BAD_REFERENCE, what, node, "delete it")
