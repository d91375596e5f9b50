"""
Reading runner.yaml: file, variables, built-in defaults; or every fault at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from runner.errors import Mark, PolicyError, PolicyErrors
from runner.policy import unsupported
from runner.policy.codes import Code
from runner.policy.faults import Faults, did_you_mean, shown
from runner.policy.nodes import Mapping as MapNode
from runner.policy.nodes import Node, Scalar, Sequence, Source, kind_of
from runner.policy.reader import Reader
from runner.policy.scalars import CHAINS
from runner.policy.source import MAX_BYTES, read
from runner.settings.model import (
    SANDBOX_TIMING,
    SERVICE_TIMING,
    EnvRef,
    FileRef,
    Http,
    Log,
    Reference,
    RpcUrls,
    Settings,
    SignerSpec,
    Timing,
    WalletProfile,
    is_loopback,
)
from runner.settings.overrides import CONFIG, apply_overrides, warn_ignored
from runner.settings.written import (
    WrittenReference,
    WrittenSettings,
    WrittenSigner,
    WrittenTiming,
    WrittenWallet,
)

_SECRETS = frozenset({"api_key", "token", "secret_key", "password"})
_KEY = "private_key_for_sandbox_only"
_SIGNER_KINDS = ("env", "file", "keystore", _KEY)
_ROUNDS = 5  # of cutting off what has a fault
_ABSENT: Any = object()


def load_settings(path: Path | None, environment: Mapping[str, str], cwd: Path) -> Settings:
    """
    Find and read runner.yaml.

    Args:
        path: The file of `--config`; else `RUNNER_CONFIG`, else `runner.yaml` in `cwd`, else the
            built-in sandbox.
        environment: The `RUNNER_…` variables, and what `${NAME}` may name.
        cwd: What relative paths are relative to where there is no file.

    Raises:
        PolicyErrors: All faults, warnings included.
    """
    found = _find(path, environment, cwd)
    if found is None:
        source = Source("built-in settings", "")
        faults = Faults(source)
        root, base = MapNode(source, 0, flow=False), cwd
    else:
        base = (cwd / found).absolute().parent
        document = read(_read_file(cwd / found, found), str(found), "as `policies: policies/`")
        faults = document.faults
        if document.root is None:
            raise PolicyErrors(faults.errors)
        root = document.root
    ignored = apply_overrides(root, environment)
    settings = _Loader(root, faults, environment, base).load(found)
    warn_ignored(ignored, _variables(root), faults)
    if settings is None or faults.errors:
        found_faults = [*faults.errors, *faults.warnings]
        raise PolicyErrors(sorted(found_faults, key=lambda fault: fault.where or Mark("", 0, 0)))
    return replace(settings, warnings=tuple(faults.warnings))


def _find(path: Path | None, environment: Mapping[str, str], cwd: Path) -> Path | None:
    if path is not None:
        return path
    if environment.get(CONFIG):
        return Path(environment[CONFIG])
    return Path("runner.yaml") if (cwd / "runner.yaml").exists() else None


def _read_file(path: Path, name: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        what = f"the settings cannot be read: {error.strerror or 'unknown reason'}"
        where = Mark(str(name), 1, 1)
        hint = "check --config and RUNNER_CONFIG; without them ./runner.yaml is read"
        fault = PolicyError(what, code=Code.UNREADABLE.value, where=where, hint=hint)
        raise PolicyErrors([fault]) from None


def _variables(node: Node) -> set[str]:
    """Return the variables that references name."""
    if isinstance(node, MapNode):
        found = set()
        for name, (_, value) in node.entries.items():
            if name == "env" and isinstance(value, Scalar):
                found.add(value.text)
            found |= _variables(value)
        return found
    return set().union(*map(_variables, node.items)) if isinstance(node, Sequence) else set()


class _Loader:
    """Turns the tree of one runner.yaml into settings."""

    def __init__(
        self, root: MapNode, faults: Faults, environment: Mapping[str, str], base: Path
    ) -> None:
        self.root = root
        self.faults = faults
        self.reader = Reader(faults, environment)
        self.base = base

    def load(self, file: Path | None) -> Settings | None:
        """Return the settings, whole only if there are no faults; None if nothing fits."""
        self._refuse_unsupported()
        self._refuse_plain_secrets(self.root)
        written = self._validated(self._plain(self.root))
        if written is None:
            return None
        wallets = {name: self._wallet(name, each) for name, each in written.wallets.items()}
        if not wallets:
            state = self._path(".runner/sandbox.json")
            wallets = {"sandbox": WalletProfile(embedded=True, state=state)}
        host, port = written.http.bind
        token = self._reference(written.http.token, "http", "token")
        if not is_loopback(host) and not self._is_written("http", "token"):
            what = f"{shown(host)} is open to others, and there is no token"
            hint = "add `token: {env: RUNNER_HTTP_TOKEN}` to `http`, or listen on 127.0.0.1"
            self._at(Code.OPEN_WITHOUT_TOKEN, what, hint, "http", "bind")
        secret_key = self._reference(written.secret_key, "secret_key")
        return Settings(
            policies=self._path(written.policies),
            store=self._store(written.store),
            secret_key=secret_key or FileRef(self._path(".runner/secret.key")),
            wallets=MappingProxyType(wallets),
            signers=MappingProxyType(
                {name: self._signer(name, each) for name, each in written.signers.items()}
            ),
            http=Http(host, port, token),
            log=Log(written.log.format, written.log.level),
            throw_away_signers=file is None,
            file=None if file is None else self.base / file.name,
        )

    def _validated(self, plain: Any) -> WrittenSettings | None:
        """Check the structure. What has a fault is cut off, so that the rest is still read."""
        for _ in range(_ROUNDS):
            try:
                return WrittenSettings.model_validate(plain)
            except ValidationError as error:
                for detail in error.errors(include_url=False, include_input=False):
                    path = [part for part in detail["loc"] if part != "[key]"]
                    self._fault(detail, path)
                    _prune(plain, path)
        return None

    def _refuse_plain_secrets(self, node: Node) -> None:
        """Report secrets that are written out, and hide everything that could be one."""
        if isinstance(node, Sequence):
            for item in node:
                self._refuse_plain_secrets(item)
        for name, (_, value) in node.entries.items() if isinstance(node, MapNode) else ():
            if not isinstance(value, Scalar):
                self._refuse_plain_secrets(value)
                continue
            if name in _SECRETS or name == _KEY or (name == "env" and not _is_name(value)):
                text = value.source.text
                line_end = text.find("\n", value.index)
                line_end = len(text) if line_end < 0 else line_end
                quoted = value.style is not None
                end = line_end if quoted else min(line_end, value.index + len(value.text))
                value.source.hide(value.index, end)
            if name in _SECRETS and not value.empty:
                what = f"`{name}` says where the secret lies, it does not hold it"
                hint = "write {env: NAME} or {file: PATH}, and treat what stood here as known"
                self.faults.add(Code.PLAIN_SECRET, what, value, hint)
                value.broken = True

    def _refuse_unsupported(self) -> None:
        for name, (key, _) in self.root.entries.items():
            if ("config", name) in unsupported.KEYS:
                self.reader.not_supported(f"`{name}`", key)
        signers = self._node("signers")
        for _, node in signers.entries.values() if isinstance(signers, MapNode) else ():
            for name, (key, _) in node.entries.items() if isinstance(node, MapNode) else ():
                if ("signer", name) in unsupported.KEYS:
                    self.reader.not_supported(f"signers by `{name}`", key)

    def _plain(self, node: Node, key: str = "") -> Any:
        """Return a tree of dicts, lists and text; what has a fault of its own is left out."""
        if isinstance(node, MapNode):
            pairs = {
                name: self._plain(value, name)
                for name, (_, value) in node.entries.items()
                if ("config", name) not in unsupported.KEYS or node is not self.root
            }
            return {name: value for name, value in pairs.items() if value is not _ABSENT}
        if isinstance(node, Sequence):
            return [value for item in node if (value := self._plain(item)) is not _ABSENT]
        hex64 = key == _KEY
        text = self.reader.text(node, hex64=hex64)
        return _ABSENT if text is None else text

    def _fault(self, detail: ErrorDetails, path: list[int | str]) -> None:
        """Turn an error of pydantic into a fault at the node it speaks of."""
        node = self._walk(path)
        context = detail.get("ctx", {})
        kind = detail["type"]
        if kind == "extra_forbidden":
            name = str(path[-1])
            hint = did_you_mean(name, self._known(path), "keys")
            what = f"there is no key {shown(name)} here"
            self.faults.add(Code.UNKNOWN_KEY, what, node.key or node, hint)
        elif "what" in context:
            at = node.key or node if detail["loc"][-1:] == ("[key]",) else node
            self.faults.add(Code(kind), context["what"], at, context["hint"])
        elif kind == "greater_than_equal":
            what = f"{context['ge']} or more is needed here"
            self.faults.add(Code.OUT_OF_RANGE, what, node, f"write {context['ge']}")
        else:
            what = f"a map of keys and values is needed here, not {kind_of(node)}"
            self.faults.add(Code.WRONG_TYPE, what, node, "indent its keys below it")
        node.broken = True

    def _walk(self, path: list[int | str]) -> Node:
        """Follow a path as far as it goes; tags of unions on the way are stepped over."""
        node: Node = self.root
        for part in path:
            if isinstance(node, MapNode) and part in node.entries:
                node = node.entries[str(part)][1]
            elif isinstance(node, Sequence) and isinstance(part, int):
                node = node.items[part]
        return node

    def _known(self, path: list[int | str]) -> list[str]:
        """Return the keys that may stand where an unknown one does."""
        models: dict[str, type[Any]] = {
            "wallets": WrittenWallet,
            "signers": WrittenSigner,
            "timing": WrittenTiming,
        }
        fields = WrittenSettings.model_fields
        names = [str(part) for part in path[:-1]]
        if not names:
            return list(fields)
        if names[-1] in models and names[-1] == "timing":
            return list(WrittenTiming.model_fields)
        if len(names) == 2 and names[0] in models:
            return list(models[names[0]].model_fields)
        if len(names) == 1 and names[0] in ("http", "log"):
            return list(type(fields[names[0]].default).model_fields)
        if names[-1] in _SECRETS or "rpc_url" in names:
            return list(WrittenReference.model_fields)
        return ["blocks", "age"] if names[-1] == "finality" else []

    def _node(self, *path: str) -> Node:
        return self._walk(list(path))

    def _is_written(self, *path: str) -> bool:
        parent = self._node(*path[:-1])
        return isinstance(parent, MapNode) and path[-1] in parent.entries

    def _at(self, code: Code, what: str, hint: str, *path: str) -> None:
        self.faults.add(code, what, self._node(*path), hint)

    def _path(self, text: str) -> Path:
        return Path(self.base.absolute() / Path(text).expanduser())

    def _reference(self, written: WrittenReference | None, *path: str) -> Reference | None:
        if written is None:
            return None
        if (written.env is None) == (written.file is None):
            node = self._node(*path)
            what = "a secret lies in one place: a variable or a file"
            hint = "write {env: NAME} or {file: PATH}"
            if not self._has_fault_below(node):
                self.faults.add(Code.BAD_REFERENCE, what, node.key or node, hint)
            return None
        if written.env is not None:
            return EnvRef(written.env)
        return FileRef(self._path(written.file or ""))

    def _has_fault_below(self, node: Node) -> bool:
        below = node.entries.values() if isinstance(node, MapNode) else ()
        return any(value.broken for _, value in below)

    def _store(self, text: str) -> str:
        hint = "write sqlite:/// and a path, as sqlite:///.runner/ledger.db"
        if text.startswith(("postgresql:", "postgres:", "postgresql+")):
            self._at(Code.NOT_SUPPORTED_YET, "PostgreSQL is not supported yet", hint, "store")
        elif not text.startswith("sqlite:///") or text.removeprefix("sqlite:///") in (
            "",
            ":memory:",
        ):
            what = f"{shown(text)} is not the URL of a ledger"
            self._at(Code.BAD_STORE, what, hint, "store")
        return f"sqlite:///{self._path(text.removeprefix('sqlite:///'))}"

    def _wallet(self, name: str, written: WrittenWallet) -> WalletProfile:
        place = ("wallets", name)
        node = self._node(*place)
        if written.embedded == (written.url is not None) and not self._has_fault_below(node):
            what = f"wallet `{name}` is embedded or has a `url`: exactly one of them"
            hint = "write `embedded: true`, or the `url` of the service"
            self.faults.add(Code.NOT_ONE_WALLET, what, node.key or node, hint)
        state = None
        if written.embedded:
            # Without a file the chain would be gone at the next start, and the ledger not.
            state = self._path(written.state or f".runner/{name}.json")
        rough = WalletProfile(embedded=written.embedded, url=written.url)
        return WalletProfile(
            embedded=written.embedded,
            state=state,
            url=written.url,
            api_key=self._reference(written.api_key, *place, "api_key"),
            rpc_url=self._rpc(written.rpc_url, *place, "rpc_url"),
            gas_policies=MappingProxyType(dict(written.gas_policies)),
            rate_limit=written.rate_limit,
            timing=_timing(written.timing, SANDBOX_TIMING if rough.is_sandbox else SERVICE_TIMING),
        )

    def _rpc(self, written: Any, *place: str) -> RpcUrls:
        if isinstance(written, dict):
            by_chain = {}
            self._refuse_chain_twice(self._node(*place))
            for chain, each in written.items():
                endpoint = self._endpoint(each, *place)
                if endpoint is not None:
                    by_chain[chain] = endpoint
            return RpcUrls(by_chain=MappingProxyType(by_chain))
        return RpcUrls(None if written is None else self._endpoint(written, *place))

    def _refuse_chain_twice(self, node: Node) -> None:
        seen: dict[str, str] = {}
        for name, (key, _) in node.entries.items() if isinstance(node, MapNode) else ():
            number = str(CHAINS.get(name, name)).replace("_", "")
            first = seen.setdefault(number, name)
            if first != name:
                what = f"{shown(name)} is the chain {shown(first)} again"
                self.faults.add(Code.DUPLICATE_KEY, what, key, "delete one of them")

    def _endpoint(self, written: str | WrittenReference, *place: str) -> Reference | str | None:
        return written if isinstance(written, str) else self._reference(written, *place)

    def _signer(self, name: str, written: WrittenSigner) -> SignerSpec:
        place = ("signers", name)
        node = self._node(*place)
        kinds = [kind for kind in _SIGNER_KINDS if getattr(written, kind) is not None]
        other = isinstance(node, MapNode) and bool({"command", "manual"} & set(node.entries))
        if len(kinds) + other != 1 and not self._has_fault_below(node):
            what = f"signer `{name}` has its key in exactly one place"
            hint = "write one of env, file, keystore, private_key_for_sandbox_only"
            self.faults.add(Code.BAD_REFERENCE, what, node.key or node, hint)
        if written.password is not None and written.keystore is None:
            what, hint = "`password` opens a `keystore`; there is none", "delete it"
            self._at(Code.BAD_REFERENCE, what, hint, *place, "password")
        source: Reference | None = None
        if written.env is not None:
            source = EnvRef(written.env)
        elif written.file is not None:
            source = FileRef(self._path(written.file))
        return SignerSpec(
            source=source,
            keystore=None if written.keystore is None else self._path(written.keystore),
            password=self._reference(written.password, *place, "password"),
            private_key=written.private_key_for_sandbox_only,
            sandbox_only=written.sandbox_only or written.private_key_for_sandbox_only is not None,
        )


def _timing(written: WrittenTiming, default: Timing) -> Timing:
    finality = written.finality
    blocks = None if finality is None else finality.blocks
    age = None if finality is None else finality.age
    return Timing(
        inclusion=written.inclusion or default.inclusion,
        skew=written.skew or default.skew,
        min_lead=written.min_lead or default.min_lead,
        clock=written.clock or default.clock,
        finality_blocks=blocks or default.finality_blocks,
        finality_age=default.finality_age if age is None else age,
    )


def _prune(plain: Any, path: list[int | str]) -> None:
    """Cut off what a path of pydantic leads to; tags of unions are stepped over."""
    parent, last, here = None, None, plain
    for part in path:
        inside = isinstance(here, dict) and part in here
        if inside or (isinstance(here, list) and isinstance(part, int)):
            parent, last, here = here, part, here[part]
    if isinstance(parent, dict):
        del parent[last]
    elif isinstance(parent, list):
        parent.clear()


def _is_name(value: Scalar) -> bool:
    """Tell the name of a variable from a secret that was written in its place."""
    return re.fullmatch(r"[A-Z_][A-Z0-9_]{0,63}", value.text) is not None
