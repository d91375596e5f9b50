"""
runner.yaml, `RUNNER_…` variables and the built-in sandbox → one frozen `Settings`.

Secrets are never in the file: an `EnvRef`, `FileRef` or `CommandRef` says where one lies, and
whoever needs it resolves it then.
"""

from runner.settings.load import load_settings
from runner.settings.model import (
    Alerts,
    CommandRef,
    EnvRef,
    FileRef,
    Http,
    Log,
    Reference,
    Route,
    RpcUrls,
    Secret,
    Settings,
    SignerSpec,
    Timing,
    WalletProfile,
    Webhook,
)

__all__ = [
    "Alerts",
    "CommandRef",
    "EnvRef",
    "FileRef",
    "Http",
    "Log",
    "Reference",
    "Route",
    "RpcUrls",
    "Secret",
    "Settings",
    "SignerSpec",
    "Timing",
    "WalletProfile",
    "Webhook",
    "load_settings",
]
