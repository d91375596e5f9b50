"""
Ways to a private key, or around the guard, that a source file takes: found in its syntax tree.

Each is one line in words. A walk over syntax cannot prove that there is no other way: what it does
is to make every known one stand in a list that somebody has read.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

PACKAGES = {
    "aiohappyeyeballs",
    "alembic",
    "apprise",
    "apscheduler",
    "certifi",
    "click",
    "coincurve",
    "cronsim",
    "cryptography",
    "eth_abi",
    "eth_account",
    "httptools",
    "jinja2",
    "markupsafe",
    "prometheus_client",
    "pydantic",
    "pydantic_core",
    "pyrevm",
    "_pysha3",
    "sqlalchemy",
    "starlette",
    "structlog",
    "tzdata",
    "uvicorn",
    "uvloop",
    "watchfiles",
    "yaml",
}
"""All that is used of others; one more may be one that signs."""

CURVES = {"coincurve", "cryptography", "eth_account"}
"""Those of them that can use a private key."""

SIGNING = {
    "sign_recoverable",
    "sign_schnorr",
    "sign_msg_hash",
    "sign_msg",
    "sign_message",
    "sign_transaction",
    "sign_typed_data",
    "sign_authorization",
    "unsafe_sign_hash",
    "unsafeSignHash",
    "signHash",
}
SECRETS = {
    "get_secret_value": "a secret of the settings",
    "new_session_key": "a new session key",
    "parse_private_key": "the text of a key",
    "read_keystore": "a keystore",
    "session_signer": "a session key",
    "throw_away_signer": "a throw-away key",
    "write_keystore": "a keystore",
}
KEYHOLDERS = {"LocalSigner", "SessionKeys"}
OF_THE_SIGNER = KEYHOLDERS | (SECRETS.keys() - {"get_secret_value"})
"""What others may take from the file that has the keys."""

INSIDES = {"_approve", "_key", "_open_key", "_seal", "_Seal"}
PROGRAMS = {"Popen", "create_subprocess_exec", "create_subprocess_shell", "popen", "subprocess"}
UNSEEN = {"__builtins__", "__closure__", "__globals__", "__import__", "__subclasses__", "astuple"}
UNSEEN |= {"cffi", "compile_command", "ctypes", "dlopen", "eval", "exec", "import_module"}
BY_NAME = {"attrgetter", "delattr", "getattr", "methodcaller", "setattr", "vars"}
APPROVALS = {
    "verdict.approved",
    "verdict.carrier.approved",
    "request.approved(clean_entity=clean_entity, rules=rules, now=now())",  # by hand, rebuilt
}
LEDGERS = {"self.ledger", "self._ledger"}


def ways(path: str, tree: ast.AST) -> Iterator[str]:
    """All that one file does; `path` tells only whether it works with signers."""
    near = path.startswith(("runner/execution/", "runner/adapters/signers/", "runner/simulation/"))
    calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (way for each in names for way in _imported(each.name, None))
                yield from _named(part for each in names for part in each.name.split("."))
            case ast.ImportFrom(module=module, names=names, level=level):
                source = "." * level + (module or "")
                yield from (way for each in names for way in _imported(source, each.name))
                yield from _named(each.name for each in names)
            case ast.Name(id=name):
                yield from _named([name])
            case ast.Constant(value=str(text)):
                yield from _named([text], spelled=True)
            case ast.Attribute(attr="sign"):
                yield from _signs(node, calls.get(id(node)))
            case ast.Attribute(attr=name, value=value):
                yield from _named([name])
                if name in INSIDES and ast.unparse(value) != "self":
                    yield f"reaches for {name} of another"
            case ast.FunctionDef(name="sign") | ast.AsyncFunctionDef(name="sign"):
                if (taken := ast.unparse(node.args)).startswith("self"):
                    yield f"has sign({taken})"
        if near and isinstance(node, ast.Call):
            yield from _by_name(node)


def _imported(source: str, name: str | None) -> Iterator[str]:
    root = source.partition(".")[0]
    if not root or root not in PACKAGES | {"runner"} | sys.stdlib_module_names:
        yield f"imports {source}"
    if root in CURVES:
        yield f"takes {name} from {root}"
    whole = source if name is None else f"{source}.{name}"
    if whole == "runner.adapters.signers.local":
        yield "takes the whole file of the keys"
    if source == "runner.adapters.signers.local" and name not in OF_THE_SIGNER:
        yield f"takes {name} from the file of the keys"


def _named(names: Iterator[str] | list[str], *, spelled: bool = False) -> Iterator[str]:
    for name in names:
        if name in SIGNING:
            yield f"names {name}"
        if name in {"_approve", "_Seal"} or (spelled and name in INSIDES | CURVES):
            yield f"names {name}"
        if spelled:
            continue
        if name in SECRETS:
            yield f"has {SECRETS[name]}"
        if name in KEYHOLDERS:
            yield f"holds a {name}"
        if name in PROGRAMS:
            yield "starts programs"
        if name in UNSEEN:
            yield f"does what is not seen: {name}"


def _signs(sign: ast.Attribute, call: ast.Call | None) -> Iterator[str]:
    """A signer gets an approval and nothing else; a ledger, a run and its operation."""
    owner = ast.unparse(sign.value)
    if owner in LEDGERS and call is not None:
        return
    if call is None:
        yield f"takes {owner}.sign for later"
        return
    given = [*call.args, *(each.value for each in call.keywords)]
    if len(given) != 1 or ast.unparse(given[0]) not in APPROVALS:
        yield f"has {ast.unparse(call)}"
    else:
        yield "has a signer sign"


def _by_name(call: ast.Call) -> Iterator[str]:
    function = ast.unparse(call.func).rpartition(".")[2]
    if function not in BY_NAME:
        return
    names = call.args[1:2] if function.endswith("attr") else call.args
    if not names or not all(isinstance(name, ast.Constant) for name in names):
        yield f"reaches for something by {ast.unparse(call)}"
