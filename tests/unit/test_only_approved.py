"""
Nothing is signed but what the guard approved: in the sources, by type, and at run time.

The sources are walked: who can reach a private key, who signs, and what is handed to a signer.
"""

import ast
import copy
import pickle
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import pytest

from runner.adapters.signers.local import LocalSigner
from runner.errors import SignerError
from runner.ethereum.address import Address
from runner.ethereum.authorization import Authorization
from runner.guard.verdict import Approved, Subject, _approve, _Seal

SOURCES = sorted(Path("runner").rglob("*.py"))
OTHER = Address("0x00000000000000000000000000000000000A11cE")
SECRET = bytes.fromhex("46" * 32)
CURVES = {"coincurve", "eth_account", "eth_keys", "ecdsa", "cryptography", "secp256k1", "nacl"}
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
RULES = {"delegation", "grants", "operation", "owner", "verdict"}


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in SOURCES:
        yield str(path), ast.parse(path.read_text(encoding="utf-8"))


def names(tree: ast.AST) -> set[str]:
    """Everything that a file names: variables, attributes, imports, strings."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                found.add(name)
            case ast.Import(names=imported) | ast.ImportFrom(names=imported):
                found |= {alias.name for alias in imported}
            case ast.Constant(value=str(text)):
                found.add(text)
    return found


def imports(tree: ast.AST) -> Iterator[tuple[str, set[str]]]:
    """The packages that a file imports, wherever in it, with the names it takes from each."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.partition(".")[0], set()
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            taken = {alias.name for alias in node.names}
            yield node.module.partition(".")[0], taken


def test_only_the_guards_rules_touch_the_seal():
    """
    Neither by name nor by a string that might become one.
    """
    users = {path for path, tree in trees() if {"_Seal", "_approve"} & names(tree)}
    looked_at = {
        path
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "_seal"
    }

    assert users == {f"runner/guard/{name}.py" for name in RULES}
    assert looked_at == {"runner/guard/verdict.py"}


def test_one_file_reaches_private_keys():
    """
    What can sign is imported by the signers alone; elsewhere signatures are only recovered, with
    one exception of types: cryptography, which encrypts at rest and signs nothing.
    """
    found: dict[str, set[str]] = {}
    for path, tree in trees():
        for package, taken in imports(tree):
            if package in CURVES:
                found.setdefault(path, set()).update(taken or {package})
    ciphers = {path: taken for path, taken in found.items() if taken <= {"AESGCM", "InvalidTag"}}
    others = {path: taken for path, taken in found.items() if path not in ciphers}

    assert others == {
        "runner/adapters/signers/local.py": {"PrivateKey", "Account"},
        "runner/ethereum/signature.py": {"PublicKey"},
    }


def test_one_line_signs():
    """
    In a method that takes an approval and nothing else.
    """
    named = [path for path, tree in trees() if SIGNING & names(tree)]
    ((path, function),) = [
        (path, function)
        for path, tree in trees()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        if any(isinstance(n, ast.Attribute) and n.attr in SIGNING for n in ast.walk(function))
    ]

    assert named == [path] == ["runner/adapters/signers/local.py"]
    assert function.name == "sign"
    assert ast.unparse(function.args) == "self, approved: Approved"


def test_signers_are_handed_the_approval_of_a_verdict():
    """
    Each call of a signer's `sign` passes `….approved`; the ledger's takes a run and an operation.
    """
    handed, callers = [], set()
    for path, tree in trees():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr != "sign" or len(node.args) + len(node.keywords) != 1:
                continue
            handed += [ast.unparse(argument) for argument in node.args]
            callers.add(path)

    by_hand = "request.approved(clean_entity=clean_entity, rules=rules, now=now())"
    assert set(handed) == {"verdict.approved", by_hand}
    outside = {path for path in callers if not path.startswith("runner/execution/")}
    assert outside == {"runner/cli/byhand.py"}  # a person's own signature, rebuilt and judged there


def test_every_signer_takes_an_approval():
    """
    Whatever class has a `sign` of one argument, has it of this type.
    """
    kinds = {
        ast.unparse(function.args.args[1].annotation)
        for _, tree in trees()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        if function.name == "sign" and len(function.args.args) == 2
    }

    assert kinds == {"Approved"}


# ── at run time ───────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def signer():
    return LocalSigner(SECRET, name="owner", sandbox_only=None)


@pytest.fixture
def approved(signer):
    return _approve(
        digest=b"\x01" * 32,
        signer=signer.address,
        sandbox=True,
        meaning="a test",
        subject=Subject("delegation", 1, signer.address, Authorization(1, signer.address, 0)),
    )


@pytest.mark.parametrize("seal", [None, object(), True, (), _Seal(())])
def test_an_approval_cannot_be_made_by_hand(approved, seal):
    """
    Without the seal over these very words there is none.
    """
    with pytest.raises(TypeError, match="only the guard approves"):
        Approved(
            approved.digest,
            approved.signer,
            approved.sandbox,
            approved.meaning,
            approved.subject,
            seal,
        )


@pytest.mark.parametrize(
    "change",
    [
        {"digest": b"\x02" * 32},
        {"signer": OTHER},
        {"sandbox": False},
        {"meaning": "another"},
        {"subject": Subject("delegation", 1, OTHER, Authorization(1, OTHER, 0))},
    ],
)
async def test_an_approval_cannot_be_changed(signer, approved, change):
    """
    Neither a copy with another field nor the value itself, behind its back.
    """
    with pytest.raises(TypeError, match="only the guard approves"):
        replace(approved, **change)
    ((name, value),) = change.items()
    forged = copy.copy(approved)
    object.__setattr__(forged, name, value)
    with pytest.raises(SignerError):
        await signer.sign(forged)


@pytest.mark.parametrize("thing", [b"\x01" * 32, "0x" + "01" * 32, None, 7, object()])
async def test_a_signer_takes_nothing_else(signer, thing):
    """
    No bytes, no text, nothing that only looks like an approval.
    """

    class Alike:
        digest, sandbox, meaning, is_genuine = b"\x01" * 32, True, "", True
        signer = LocalSigner(SECRET, name="x", sandbox_only=None).address

    for each in (thing, Alike()):
        with pytest.raises(SignerError, match="only what the guard approved"):
            await signer.sign(each)


async def test_an_honest_copy_is_as_good(signer, approved):
    """
    Copies say the same, and sign the same.
    """
    assert {field.name for field in fields(approved)} == {
        "digest",
        "signer",
        "sandbox",
        "meaning",
        "subject",
        "_seal",
    }
    copies = [copy.copy(approved), copy.deepcopy(approved), pickle.loads(pickle.dumps(approved))]
    signature = await signer.sign(approved)
    assert [await signer.sign(each) for each in copies] == [signature] * 3
