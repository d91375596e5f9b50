"""
Nothing is signed but what the guard approved: in the sources, by type, and at run time.

The sources are walked: who can reach a private key, who signs, and what is handed to a signer.
"""

import ast
import copy
import pickle
from dataclasses import fields, replace
from pathlib import Path

import pytest
from support.ways import ways

from runner.adapters.signers.local import LocalSigner
from runner.errors import SignerError
from runner.ethereum.address import Address
from runner.ethereum.authorization import Authorization
from runner.guard.verdict import Approved, Subject, _approve, _Seal

SOURCES = sorted(Path("runner").rglob("*.py"))
OTHER = Address("0x00000000000000000000000000000000000A11cE")
SECRET = bytes.fromhex("46" * 32)

KNOWN: dict[str, set[str]] = {
    "runner/adapters/memory/ledger.py": {
        "has sign(self, run: Run, operation: NewOperation, *, now: datetime)",
    },
    "runner/adapters/process.py": {
        "does what is not seen: ctypes",
    },
    "runner/adapters/secrets.py": {
        "starts programs",
    },
    "runner/adapters/signers/command.py": {
        "has sign(self, approved: Approved)",
        "starts programs",
    },
    "runner/adapters/signers/local.py": {
        "has sign(self, approved: Approved)",
        "holds a LocalSigner",
        "names sign_recoverable",
        "takes Account from eth_account",
        "takes PrivateKey from coincurve",
    },
    "runner/adapters/signers/manual.py": {
        "has sign(self, approved: Approved)",
    },
    "runner/adapters/signers/opening.py": {
        "has a keystore",
        "has a secret of the settings",
        "has a throw-away key",
        "has the text of a key",
        "holds a LocalSigner",
    },
    "runner/adapters/sql/ledger.py": {
        "has sign(self, run: Run, operation: NewOperation, *, now: datetime)",
    },
    "runner/adapters/sql/migrations/__init__.py": {
        "does what is not seen: import_module",
    },
    "runner/adapters/vault.py": {
        "takes AESGCM from cryptography",
        "takes InvalidTag from cryptography",
    },
    "runner/adapters/wallet_api/endpoint.py": {
        "names _key",
    },
    "runner/bootstrap/runtime.py": {
        "holds a SessionKeys",
    },
    "runner/cli/byhand.py": {
        "has a signer sign",
    },
    "runner/cli/takeoff.py": {
        "has a signer sign",
    },
    "runner/cli/keys.py": {
        "has a keystore",
        "has a throw-away key",
        "has the text of a key",
        "holds a LocalSigner",
    },
    "runner/cli/main.py": {
        "does what is not seen: import_module",
    },
    "runner/doctor.py": {
        "has a throw-away key",
        "holds a LocalSigner",
    },
    "runner/ethereum/signature.py": {
        "takes PublicKey from coincurve",
    },
    "runner/execution/delegation.py": {
        "has a signer sign",
    },
    "runner/execution/requests.py": {
        "has a new session key",
        "has a signer sign",
    },
    "runner/execution/steps.py": {
        "has a session key",
        "has a signer sign",
    },
    "runner/execution/trial.py": {
        "has a signer sign",
    },
    "runner/frozen.py": {
        "does what is not seen: exec",
    },
    "runner/guard/delegation.py": {
        "names _approve",
    },
    "runner/guard/grants.py": {
        "names _approve",
    },
    "runner/guard/operation.py": {
        "names _approve",
    },
    "runner/guard/owner.py": {
        "names _approve",
    },
    "runner/guard/verdict.py": {
        "names _Seal",
    },
    "runner/policy/secrets.py": {
        "names eth_account",
    },
    "runner/ports.py": {
        "has sign(self, approved: Approved)",
        "has sign(self, run: Run, operation: NewOperation, *, now: datetime)",
    },
    "runner/reporting/calendar.py": {
        "has sign(self)",
        "takes one.sign for later",
    },
    "runner/simulation/engine.py": {
        "holds a SessionKeys",
    },
}
"""
Every file that comes near a key, and how. A line more is a way more: read it before it stands here.
"""

ATTACKS = {
    "the library": "from coincurve import PrivateKey",
    "the library, whole": "import coincurve.keys as k",
    "another library": "import ecdsa",
    "a library beside": "from .keys import sign",
    "through the file of the keys": "from runner.adapters.signers.local import PrivateKey",
    "the file of the keys": "import runner.adapters.signers.local",
    "the file of the keys, from above": "from runner.adapters.signers import local",
    "its parser": "from runner.adapters.signers.local import _parse",
    "its method": "signature = key.sign_recoverable(digest, hasher=None)",
    "its other method": "signature = key.sign(digest, None)",
    "its other method, by keyword": "signature = key.sign(message=digest)",
    "its method, kept": "sign = signer.sign",
    "its method, by name": "sign = getattr(key, 'sign_' + how)",
    "its method, spelled": "sign = getattr(key, 'sign_recoverable')",
    "not what the verdict approved": "signature = await signer.sign(Forged(digest))",
    "an approval and more": "signature = await signer.sign(verdict.approved, digest)",
    "the key of a signer": "key = signer._key",
    "the key of a signer, spelled": "key = getattr(signer, '_key')",
    "the key of a signer, out of its members": "key = vars(signer)[name]",
    "the ring's way to keys": "secret = ring._open_key(grant)",
    "a key as it is made": "secret, address = keys.new_session_key()",
    "a key as text": "from runner.adapters.signers.local import parse_private_key",
    "a key of the settings": "text = spec.private_key.get_secret_value()",
    "a signer of its own": "signer = LocalSigner(secret, name='x', sandbox_only=None)",
    "a signer of its own kind": "class Mine:\n    def sign(self, digest: bytes): ...",
    "a signer that takes more": "class Mine:\n    def sign(self, approved, digest): ...",
    "the approval itself": "from runner.guard.verdict import _approve",
    "the approval by its module": "approved = verdict._approve(digest=digest)",
    "the seal": "seal = approved._seal",
    "the seal, spelled": "seal = getattr(approved, '_seal')",
    "the seal, in a list": "*_, seal = astuple(approved)",
    "the kind of seal": "from runner.guard import verdict\nverdict._Seal(content)",
    "an import that nobody sees": "m = __import__('coin' + 'curve')",
    "an import by name": "from importlib import import_module",
    "an import by its module": "import importlib\nm = importlib.import_module(name)",
    "code in a text": "exec(text)",
    "a value of a text": "eval(text)",
    "the library's own library": "import ctypes",
    "another program": "from asyncio import create_subprocess_exec",
    "another program, too": "import subprocess",
}
"""Lines that would sign, or come by a key, without the guard."""


def found(path: str, text: str) -> set[str]:
    return set(ways(path, ast.parse(text)))


def test_no_other_way_leads_to_a_private_key():
    """
    The sources are walked; all that comes near a key is known.
    """
    seen = {str(path): found(str(path), path.read_text(encoding="utf-8")) for path in SOURCES}

    assert {path: each for path, each in seen.items() if each} == KNOWN


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_way_around_would_be_seen(attack):
    """
    Put where signing is done by right, each of these is one line more than is known there.
    """
    path = "runner/execution/trial.py"
    text = Path(path).read_text(encoding="utf-8")
    lines = ATTACKS[attack].replace("\n", "\n    ")

    more = found(path, f"{text}\n\nasync def attack():\n    {lines}\n")

    assert more - KNOWN[path]


def test_one_line_signs():
    """
    In a method that takes an approval and nothing else; the key leaves its object nowhere else.
    """
    tree = ast.parse(Path("runner/adapters/signers/local.py").read_text(encoding="utf-8"))
    (holder,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and _uses(node)]
    uses = {
        each.name: _uses(each) for each in holder.body if isinstance(each, ast.AsyncFunctionDef)
    }
    others = {
        each.name for each in holder.body if isinstance(each, ast.FunctionDef) and _uses(each)
    }

    assert holder.name == "LocalSigner"
    assert uses == {"sign": ["self._key.sign_recoverable"]}
    assert others == {"__init__"}
    assert len(_uses(tree)) == 3  # kept, asked for its address, asked to sign
    assert sum(ast.unparse(node).count("sign_recoverable") for node in tree.body) == 1


def _uses(tree: ast.AST) -> list[str]:
    """Where `self._key` is used: what is asked of it, or itself."""
    above = {
        id(node.value): ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
    }
    return [
        above.get(id(node), "self._key")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "_key"
    ]


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
