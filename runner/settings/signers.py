"""
Reading `signers`: where the keys of owners live.
"""

from __future__ import annotations

from runner.policy.addresses import read_address
from runner.policy.codes import Code
from runner.policy.language.config import SIGNER
from runner.policy.nodes import Node
from runner.policy.record import Record
from runner.policy.scalars import parse_boolean
from runner.settings.model import EnvRef, FileRef, SignerSpec
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
    file, keystore = record.get("file"), record.get("keystore")
    command = record.get("command")
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
        command=None if command is None else reader.words(command),
        manual=record.read("manual", read_address, None),
        private_key=private_key,
        sandbox_only=record.read("sandbox_only", parse_boolean, False) or private_key is not None,
    )
