"""
Keys of runner.yaml, kept apart from those of policies: a hint about one never names the other.
"""

from __future__ import annotations

from runner.policy.language.level import Key, Level, level

CONFIG = level(
    "config",
    "runner.yaml",
    Key("policies", "path", "The folder of policies, or one file.", "policies/"),
    Key("store", "URL of a ledger", "Where the ledger is.", "sqlite:///.runner/ledger.db"),
    Key(
        "secret_key",
        "reference",
        "The 32 bytes that encrypt what is secret in the ledger.",
        "{file: .runner/secret.key}",
    ),
    Key(
        "wallets",
        "map of wallets",
        "Wallet services by name.",
        "one embedded sandbox, named sandbox",
    ),
    Key("signers", "map of signers", "Where the keys of owners live, by name."),
    Key("http", "http", "The dashboard."),
    Key("alerts", "alerts", "Who is told what."),
    Key(
        "organisation",
        "path",
        "Rules about policies that their authors cannot override.",
    ),
    Key("log", "log", "What the daemon writes to stderr."),
)

REFERENCE = level(
    "reference",
    "a reference",
    Key("env", "name of a variable", "The secret is the value of this environment variable."),
    Key("file", "path", "The secret is the text of this file."),
    Key("command", "list of words", "The secret is what this program prints; no shell is between."),
)

WALLET = level(
    "wallet",
    "a wallet",
    Key("embedded", "true or false", "A sandbox inside the daemon: play money.", "false"),
    Key("state", "path", "Where the embedded sandbox keeps its chain.", ".runner/NAME.json"),
    Key(
        "url",
        "URL",
        "The Wallet API. On this machine's loopback it counts as a sandbox.",
    ),
    Key("api_key", "reference", "What the service asks for as its key."),
    Key(
        "rpc_url",
        "URL, reference or map by chain",
        "Endpoint of the chain itself: evidence that does not come from the wallet service.",
        "the wallet's own endpoint",
    ),
    Key("gas_policies", "map of texts", "The service's policies of sponsored gas, by name."),
    Key("rate_limit", "rate", "Most requests in a time, as 25/s.", "no limit"),
    Key("timing", "timing", "Margins of time."),
)

TIMING = level(
    "timing",
    "`timing`",
    Key(
        "inclusion",
        "duration",
        "How long an operation may take from send to block.",
        "120s; 3s on a sandbox",
    ),
    Key("skew", "duration", "How far clocks may be apart.", "30s; 1s on a sandbox"),
    Key(
        "min_lead",
        "duration",
        "The shortest time between a renewal and the end of the old grant.",
        "5m; 5s on a sandbox",
    ),
    Key(
        "clock",
        "system or wallet",
        "Whose time it is: this machine's, or that of the chain's head block.",
        "system; wallet on a sandbox",
    ),
    Key("finality", "finality", "When an inclusion is certain."),
)

FINALITY = level(
    "finality",
    "`finality`",
    Key(
        "blocks", "integer, 1 to 100000", "Blocks, the including one counted.", "12; 1 on a sandbox"
    ),
    Key("age", "duration or 0", "The age that block must have by then.", "30s; 0s on a sandbox"),
)

SIGNER = level(
    "signer",
    "a signer",
    Key("env", "name of a variable", "The key is the value of this environment variable."),
    Key("file", "path", "The key is the text of this file."),
    Key("keystore", "path", "An encrypted keystore (version 3)."),
    Key("password", "reference", "What opens the keystore.", "an empty password"),
    Key("command", "list of words", "A program that signs; no shell is between."),
    Key("address", "address", "Whose signatures `command` makes; every one is checked."),
    Key(
        "timeout",
        "duration",
        "How long `command` may take, until somebody has pressed a button.",
        "60s",
    ),
    Key("manual", "address", "A person who signs requests elsewhere, by this address."),
    Key(
        "private_key_for_sandbox_only",
        "private key",
        "A key for play money, written out. It signs for sandboxes alone.",
    ),
    Key(
        "sandbox_only",
        "true or false",
        "Whether it signs for sandboxes, and for nothing else.",
        "false",
    ),
)

HTTP = level(
    "http",
    "`http`",
    Key("bind", "host and port", "Where the dashboard listens.", "127.0.0.1:8080"),
    Key(
        "token",
        "reference",
        "What who changes something must show; needed beyond this machine.",
    ),
)

ALERTS = level(
    "alerts",
    "`alerts`",
    Key("routes", "list of routes", "Who is told, from which severity on."),
    Key("webhooks", "list of webhooks", "Programs that are told, each message signed."),
    Key(
        "digest_at",
        "time of day and time zone",
        "When the payments of the next day are announced.",
    ),
    Key(
        "funding_lead",
        "duration",
        "How long before a payment that the balance does not cover there is an alert.",
        "3d",
    ),
)

ROUTE = level(
    "route",
    "a route",
    Key("min_severity", "info, warning or critical", "What is less severe is not sent.", "warning"),
    Key(
        "to",
        "list of references or URLs",
        "Where to, as Apprise writes it. Most of these URLs hold a token: refer to them.",
        required=True,
    ),
)

WEBHOOK = level(
    "webhook",
    "a webhook",
    Key("min_severity", "info, warning or critical", "What is less severe is not sent.", "warning"),
    Key("to", "reference", "The https:// URL that messages are posted to.", required=True),
    Key("secret", "reference", "What both sides sign and check messages by.", required=True),
    Key(
        "allow_private",
        "true or false",
        "Whether the URL may lead into a private network.",
        "false",
    ),
)

LOG = level(
    "log",
    "`log`",
    Key(
        "format",
        "auto, text or json",
        "Sentences or JSON lines; auto is text on a terminal and JSON in a pipe.",
        "auto",
    ),
    Key("level", "debug, info, warning or error", "What is less severe is not written.", "info"),
)

CONFIG_LEVELS = {
    level.name: level
    for level in (
        CONFIG,
        REFERENCE,
        WALLET,
        TIMING,
        FINALITY,
        SIGNER,
        HTTP,
        ALERTS,
        ROUTE,
        WEBHOOK,
        LOG,
    )
}
"""All levels of runner.yaml by name."""

NAMED = "*"
"""Stands in a path for a name that the user chose."""

_MAPS: dict[str, tuple[tuple[tuple[str, ...], Level | None], ...]] = {
    **{name: (((), CONFIG_LEVELS[name]),) for name in CONFIG_LEVELS},
    "map of wallets": (((NAMED,), WALLET),),
    "map of signers": (((NAMED,), SIGNER),),
    "map of texts": (((NAMED,), None),),
    "URL, reference or map by chain": (
        ((), None),
        ((), REFERENCE),
        ((NAMED,), None),
        ((NAMED,), REFERENCE),
    ),
}
"""By the type of a key: what its value may hold, as names on the way and the level below."""


def paths(start: Level = CONFIG) -> dict[tuple[str, ...], str]:
    """The ways from a level down to every value that may stand below it, with their types."""
    return {
        (key.name, *way, *rest): kind
        for key in start.keys.values()
        for way, below in _MAPS.get(key.type, (((), None),))
        for rest, kind in ({(): key.type} if below is None else paths(below)).items()
    }
