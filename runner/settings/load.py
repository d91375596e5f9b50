"""
Reading runner.yaml: file, variables, built-in defaults; or every fault at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal, cast

from runner.errors import Mark, PolicyError, PolicyErrors
from runner.policy.codes import Code
from runner.policy.faults import Faults, shown
from runner.policy.language.config import CONFIG, HTTP, LOG
from runner.policy.nodes import Mapping as MapNode
from runner.policy.nodes import Node, Scalar, Sequence, Source
from runner.policy.scalars import choice
from runner.policy.source import MAX_BYTES, read
from runner.settings.alerts import read_alerts
from runner.settings.model import FileRef, Http, Log, Settings, is_loopback
from runner.settings.overrides import CONFIG_VARIABLE, apply_overrides, warn_ignored
from runner.settings.reader import SettingsReader
from runner.settings.secrecy import hide_lines, refuse_plain_secrets
from runner.settings.signers import read_signers
from runner.settings.values import parse_bind, parse_store
from runner.settings.wallets import read_wallets

_Format = Literal["auto", "text", "json"]
_Level = Literal["debug", "info", "warning", "error"]


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
        root, base, file = MapNode(source, 0, flow=False), cwd.absolute(), None
    else:
        file = (cwd / found).absolute()
        document = read(_read_file(file, found), str(found), "as `policies: policies/`")
        faults = document.faults
        hide_lines(document.source, faults)
        if document.root is None:
            raise PolicyErrors(faults.errors)
        root, base = document.root, file.parent
    ignored = apply_overrides(root, environment)
    refuse_plain_secrets(root, faults)
    settings = _settings(SettingsReader(faults, environment, base), root, file)
    warn_ignored(ignored, _variables(root), faults)
    if faults.errors:
        found_faults = [*faults.errors, *faults.warnings]
        raise PolicyErrors(sorted(found_faults, key=lambda fault: fault.where or Mark("", 0, 0)))
    return replace(settings, warnings=tuple(faults.warnings))


def _find(path: Path | None, environment: Mapping[str, str], cwd: Path) -> Path | None:
    if path is not None:
        return path
    if environment.get(CONFIG_VARIABLE):
        return Path(environment[CONFIG_VARIABLE])
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


def _settings(reader: SettingsReader, root: MapNode, file: Path | None) -> Settings:
    """Turn the tree of one runner.yaml into settings, whole only if there are no faults."""
    record = reader.record(root, CONFIG)
    if record is None:
        raise AssertionError("the root of a document is a map")
    policies, organisation = record.get("policies"), record.get("organisation")
    store = reader.placed(record.read("store", parse_store, ".runner/ledger.db"))
    return Settings(
        policies=reader.placed("policies") if policies is None else reader.path(policies),
        store=f"sqlite:///{store}",
        secret_key=reader.reference(record.get("secret_key"))
        or FileRef(reader.placed(".runner/secret.key")),
        wallets=MappingProxyType(read_wallets(reader, record.get("wallets"))),
        signers=MappingProxyType(read_signers(reader, record.get("signers"))),
        http=_http(reader, record.get("http")),
        alerts=read_alerts(reader, record.get("alerts")),
        organisation=None if organisation is None else reader.path(organisation),
        log=_log(reader, record.get("log")),
        throw_away_signers=file is None,
        file=file,
    )


def _http(reader: SettingsReader, node: Node | None) -> Http:
    record = None if node is None else reader.record(node, HTTP)
    if record is None:
        return Http()
    host, port = record.read("bind", parse_bind, ("127.0.0.1", 8080))
    bind = record.get("bind")
    if bind is not None and not is_loopback(host) and "token" not in record:
        what = f"{shown(host)} is open to others, and there is no token"
        hint = "add `token: {env: RUNNER_HTTP_TOKEN}` to `http`, or listen on 127.0.0.1"
        reader.fault(Code.OPEN_WITHOUT_TOKEN, what, bind, hint)
    return Http(host, port, reader.reference(record.get("token")))


def _log(reader: SettingsReader, node: Node | None) -> Log:
    record = None if node is None else reader.record(node, LOG)
    if record is None:
        return Log()
    return Log(
        record.read("format", _format, "auto"),
        record.read("level", _level, "info"),
    )


def _format(text: str) -> _Format:
    return cast("_Format", choice(text, ("auto", "text", "json")))


def _level(text: str) -> _Level:
    return cast("_Level", choice(text, ("debug", "info", "warning", "error")))
