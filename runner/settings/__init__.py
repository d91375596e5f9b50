"""
runner.yaml, `RUNNER_…` variables and the built-in sandbox → one frozen `Settings`.

Secrets are never in the file: `EnvRef` and `FileRef` say where they lie, and whoever needs one
resolves it then.
"""

from runner.settings.load import load_settings
from runner.settings.model import (
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
)

__all__ = [
    "EnvRef",
    "FileRef",
    "Http",
    "Log",
    "Reference",
    "RpcUrls",
    "Settings",
    "SignerSpec",
    "Timing",
    "WalletProfile",
    "load_settings",
]
