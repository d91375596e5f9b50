"""An example of every key of policies and runner.yaml, as it stands in a file."""

from __future__ import annotations

HOSTS = {
    "gas": "account",
    "limits": "session",
    "permissions": "session",
    "functions-on-contract": "session",
    "functions": "session",
}
"""Where the examples of a level stand, if neither in a map of their own level nor in a schedule."""

EXAMPLES: dict[str, dict[str, str]] = {
    "policy": {
        "version": "version: 1",
        "name": "name: payroll",
        "description": "description: Salaries",
        "chain": "chain: base-sepolia",
        "wallet": "wallet: sandbox",
        "defaults": "defaults: {timezone: Europe/Berlin, catch_up: none}",
        "include": "include: [shared/books.yaml]",
        "tokens": (
            "tokens: {usdc: {decimals: 6, address: 0x036CbD53842c5426634e7929541eC2318f3dCF7e}}"
        ),
        "contacts": "contacts: {alice: 0x00000000000000000000000000000000000a11ce}",
        "groups": "groups: {staff: [alice, bob]}",
        "accounts": "accounts: {treasury: {owner: treasury-owner}}",
        "sessions": "sessions: {salaries: {account: treasury, lifetime: 45d}}",
        "schedules": (
            "schedules: {hosting: {session: salaries, every: 1w, pay: {hosting: 20 usdc}}}"
        ),
    },
    "book": {
        "version": "version: 1",
        "description": "description: Salaries",
        "tokens": (
            "tokens: {usdc: {decimals: 6, address: 0x036CbD53842c5426634e7929541eC2318f3dCF7e}}"
        ),
        "contacts": "contacts: {alice: 0x00000000000000000000000000000000000a11ce}",
        "groups": "groups: {staff: [alice, bob]}",
        "defaults": "defaults: {timezone: Europe/Berlin, catch_up: none}",
    },
    "token": {
        "decimals": "decimals: 6",
        "address": "address: {base: 0x833589fcd6edb6e08f4c7c32d4f71b54bda02913}",
    },
    "account": {
        "owner": "owner: treasury-owner",
        "chain": "chain: base",
        "wallet": "wallet: sandbox",
        "type": "type: smart",
        "gas": "gas: sponsor",
        "address": "address: 0x3f1bf374c210daf46f025cc021727f7e5e0d2f5c",
        "salt": "salt: 1",
        "max_fee": "max_fee: 0.001 native",
        "max_fee_per_day": "max_fee_per_day: 0.05 native",
    },
    "gas": {
        "sponsor": "gas: {sponsor: default}",
    },
    "session": {
        "account": "account: treasury",
        "lifetime": "lifetime: 45d",
        "renew_before": "renew_before: 33%",
        "permissions": "permissions: [erc20-token-transfer: 20000 usdc]",
        "margin": "margin: 10%",
        "receivers": "receivers: [staff, hosting]",
        "limits": "limits: {per_day: [6000 usdc], per_month: [15000 usdc]}",
        "max_exposure": "max_exposure: [30000 usdc]",
        "accept_risk": 'accept_risk: "one-off migration, removed in March"',
        "on_no_grant": "on_no_grant: hold",
        "owner_lead": "owner_lead: 7d",
        "renew": "renew: auto",
        "previous_names": "previous_names: [wages]",
    },
    "limits": {
        "per_run": "limits: {per_run: [5000 usdc]}",
        "per_day": "limits: {per_day: [6000 usdc]}",
        "per_week": "limits: {per_week: [10000 usdc]}",
        "per_month": "limits: {per_month: [15000 usdc]}",
        "per_lifetime": "limits: {per_lifetime: [200000 usdc]}",
        "rolling": "limits: {rolling: {7d: [8000 usdc]}}",
        "timezone": "limits: {per_day: [6000 usdc], timezone: Europe/Berlin}",
    },
    "permissions": {
        "erc20-token-transfer": "permissions: [erc20-token-transfer: 20000 usdc]",
        "native-token-transfer": (
            "permissions: [contract-access: vault, native-token-transfer: 0.5 native]"
        ),
        "gas-limit": "permissions: [erc20-token-transfer: 20000 usdc, gas-limit: 0.05 native]",
        "contract-access": "permissions: [contract-access: vault, native-token-transfer: 0]",
        "functions-on-contract": (
            "permissions:\n"
            '  - functions-on-contract: {contract: vault, functions: ["deposit(uint256)"]}\n'
            "  - native-token-transfer: 0"
        ),
        "functions-on-all-contracts": (
            'permissions: [functions-on-all-contracts: ["deposit(uint256)"]]\n'
            "accept_risk: vaults are created daily"
        ),
        "account-functions": (
            'permissions: [account-functions: ["updateFallbackSignerData(address,bool)"]]\n'
            "accept_risk: rotation of the owner, once"
        ),
        "root": ("permissions: [root]\naccept_risk: a migration of one evening"),
    },
    "functions-on-contract": {
        "contract": (
            "permissions:\n"
            '  - functions-on-contract: {contract: vault, functions: ["deposit(uint256)"]}\n'
            "  - native-token-transfer: 0"
        ),
        "functions": (
            "permissions:\n"
            "  - functions-on-contract: {contract: vault, functions: [0xb6b55f25]}\n"
            "  - native-token-transfer: 0"
        ),
    },
    "functions": {
        "functions": (
            'permissions: [functions-on-all-contracts: {functions: ["deposit(uint256)"]}]\n'
            "accept_risk: vaults are created daily"
        ),
    },
    "schedule": {
        "session": "session: salaries",
        "cron": 'cron: "0 9 1 * *"',
        "every": "every: 1w",
        "at": "at: 2026-12-01T09:00Z",
        "dates": 'dates: [2026-12-24T09:00, {last_business_day: "17:00"}]',
        "timezone": "timezone: Europe/Berlin",
        "anchor": "anchor: 2026-12-01T00:00Z",
        "calls": "calls: [pay: {to: alice, amount: 2500 usdc, memo: salary}]",
        "pay": "pay: {hosting: 19.99 usdc}",
        "pay_each": "pay_each: {csv: salaries.csv, token: usdc}",
        "call": ('call: {contract: vault, function: "deposit(uint256 amount)", args: [40 usdc]}'),
        "approve": "approve: {vault: 40 usdc}",
        "raw": "raw: {to: vault, data: 0xd0e30db0}",
        "top_up": ("top_up: {to: hosting, below: 0.1 native, up_to: 0.5 native, max: 0.5 native}"),
        "sweep": "sweep: {token: usdc, keep: 1000 usdc, to: vault, max: 5000 usdc}",
        "start_at": "start_at: 2026-12-01T00:00Z",
        "end_at": "end_at: 2030-12-31T23:59Z",
        "max_runs": "max_runs: 12",
        "until_total": "until_total: 12000 usdc",
        "jitter": "jitter: 5m",
        "day_match": "day_match: and",
        "dst_gap": "dst_gap: shift",
        "dst_fold": "dst_fold: first",
        "catch_up": "catch_up: latest",
        "catch_up_window": "catch_up_window: 24h",
        "catch_up_rate": "catch_up_rate: 1/m",
        "start_grace": "start_grace: 60s",
        "overlap": "overlap: skip",
        "run_deadline": "run_deadline: 10m",
        "retry_on_revert": "retry_on_revert: 1",
        "pause_after_failures": "pause_after_failures: 3",
        "on_budget": "on_budget: hold",
        "approve_above": "approve_above: [10000 usdc]",
        "approval_lead": "approval_lead: 24h",
        "new_receiver_above": "new_receiver_above: [500 usdc]",
        "require": "require: [balance: {at_least: 5000 usdc}]",
        "blackout": "blackout: [{from: 2026-12-24, until: 2027-01-01, action: defer}]",
        "limits": "limits: {per_month: [3000 usdc]}",
        "suspend": "suspend: true",
        "late_after": "late_after: 15m",
        "max_time_since_success": "max_time_since_success: 32d",
        "max_runtime": "max_runtime: 5m",
        "ping": "ping: https://monitor.example/ping/salaries",
        "previous_names": "previous_names: [wages]",
    },
    "dates": {
        "last_business_day": 'dates: {last_business_day: "17:00"}',
        "nth_weekday": 'dates: {nth_weekday: {weekday: friday, nth: 2, time: "09:00"}}',
        "nearest_weekday": 'dates: {nearest_weekday: {day: 15, time: "09:00"}}',
    },
    "date rule": {
        "time": 'dates: {last_business_day: {time: "17:00"}}',
        "months": 'dates: {last_business_day: {time: "17:00", months: [3, 6, 9, 12]}}',
        "weekday": 'dates: {nth_weekday: {weekday: friday, nth: last, time: "09:00"}}',
        "nth": 'dates: {nth_weekday: {weekday: monday, nth: 1, time: "09:00"}}',
        "day": 'dates: {nearest_weekday: {day: 30, time: "09:00"}}',
    },
    "blackout": {
        "cron": 'blackout: [{cron: "0 22 * * *", for: 8h}]',
        "for": 'blackout: [{cron: "0 0 24 12 *", for: 72h, action: skip}]',
        "from": "blackout: [{from: 2026-12-24, until: 2027-01-01}]",
        "until": "blackout: [{from: 2026-12-24, until: 2027-01-01}]",
        "timezone": ("blackout: [{from: 2026-12-24, until: 2027-01-01, timezone: Europe/Berlin}]"),
        "action": "blackout: [{from: 2026-12-24, until: 2027-01-01, action: skip}]",
    },
    "require": {
        "balance": "require: [balance: {of: vault, at_least: 100 usdc}]",
        "argument": (
            'require: [argument: {function: "deposit(uint256 amount)", name: amount, '
            "at_most: 100 usdc}]"
        ),
    },
    "balance": {
        "of": "require: [balance: {of: vault, at_least: 100 usdc}]",
        "at_least": "require: [balance: {at_least: 5000 usdc}]",
    },
    "argument": {
        "function": (
            'require: [argument: {function: "deposit(uint256 amount)", name: amount, '
            "at_most: 100 usdc}]"
        ),
        "name": 'require: [argument: {function: "deposit(uint256)", name: 0, above: 0}]',
        "equals": ('require: [argument: {function: "f(address who)", name: who, equals: alice}]'),
        "not": 'require: [argument: {function: "f(address who)", name: who, not: alice}]',
        "in": ('require: [argument: {function: "f(address who)", name: who, in: [alice, vault]}]'),
        "above": 'require: [argument: {function: "f(uint256 n)", name: n, above: 0}]',
        "at_least": ('require: [argument: {function: "f(uint256 n)", name: n, at_least: 1 usdc}]'),
        "below": 'require: [argument: {function: "f(uint256 n)", name: n, below: 100}]',
        "at_most": ('require: [argument: {function: "f(uint256 n)", name: n, at_most: 100 usdc}]'),
    },
    "item": {
        "pay": "calls: [pay: {to: alice, amount: 2500 usdc}]",
        "call": ('calls: [call: {contract: vault, function: "deposit(uint256)", args: [40 usdc]}]'),
        "approve": "calls: [approve: {spender: vault, amount: 40 usdc}]",
        "raw": "calls: [raw: {to: vault, data: 0xd0e30db0, value: 1 gwei}]",
        "pay_each": "calls: [pay_each: {csv: salaries.csv, token: usdc}]",
        "top_up": (
            "calls: [top_up: {to: hosting, below: 0.1 native, up_to: 0.5 native, max: 0.5 native}]"
        ),
        "sweep": ("calls: [sweep: {token: usdc, keep: 1000 usdc, to: vault, max: 5000 usdc}]"),
        "memo": "calls: [{pay: {alice: 2500 usdc}, memo: salary}]",
        "ref": "calls: [{pay: {alice: 2500 usdc}, ref: INV-2026-117}]",
    },
    "pay": {
        "to": "pay: {to: alice, amount: 2500 usdc}",
        "amount": "pay: {to: alice, amount: 2_500.50 usdc}",
        "memo": "pay: {to: alice, amount: 2500 usdc, memo: salary}",
        "ref": "pay: {to: alice, amount: 2500 usdc, ref: INV-2026-117}",
    },
    "call": {
        "contract": 'call: {contract: vault, function: "deposit(uint256)", args: [40 usdc]}',
        "function": (
            'call: {contract: vault, function: "deposit(uint256 amount)", args: [40 usdc]}'
        ),
        "abi": (
            "call: {contract: vault, abi: vault.json, function: deposit, args: {amount: 40 usdc}}"
        ),
        "args": (
            'call: {contract: vault, function: "deposit(uint256 amount)", args: {amount: 40 usdc}}'
        ),
        "value": 'call: {contract: vault, function: "deposit()", value: 0.1 native}',
        "memo": 'call: {contract: vault, function: "harvest()", memo: weekly harvest}',
        "ref": 'call: {contract: vault, function: "harvest()", ref: HARVEST-7}',
    },
    "approve": {
        "spender": "approve: {spender: vault, amount: 40 usdc}",
        "amount": "approve: {spender: vault, amount: 40 usdc}",
        "token": "approve: {spender: vault, token: usdc, amount: 0}",
        "memo": "approve: {spender: vault, amount: 40 usdc, memo: for the deposit}",
        "ref": "approve: {spender: vault, amount: 40 usdc, ref: DEPOSIT-7}",
    },
    "raw": {
        "to": "raw: {to: vault, data: 0xd0e30db0}",
        "data": "raw: {to: vault, data: 0xd0e30db0}",
        "value": "raw: {to: vault, data: 0xd0e30db0, value: 1 gwei}",
        "memo": "raw: {to: vault, data: 0xd0e30db0, value: 1 gwei, memo: wrap}",
        "ref": "raw: {to: vault, data: 0xd0e30db0, value: 1 gwei, ref: WRAP-7}",
    },
    "pay_each": {
        "csv": "pay_each: {csv: salaries.csv, token: usdc}",
        "token": "pay_each: {csv: salaries.csv, token: usdc}",
        "columns": (
            "pay_each: {csv: payments.csv, token: usdc, columns: {to: wallet, amount: net}}"
        ),
        "memo": "pay_each: {csv: salaries.csv, token: usdc, memo: salary}",
        "ref": "pay_each: {csv: salaries.csv, token: usdc, ref: SALARIES-2026-12}",
    },
    "columns": {
        "to": "pay_each: {csv: payments.csv, token: usdc, columns: {to: wallet, amount: net}}",
        "amount": "pay_each: {csv: payments.csv, token: usdc, columns: {to: wallet, amount: net}}",
        "memo": "pay_each: {csv: salaries.csv, token: usdc, columns: {memo: ref}}",
        "ref": "pay_each: {csv: salaries.csv, token: usdc, columns: {ref: memo}}",
    },
    "top_up": {
        "to": "top_up: {to: hosting, below: 10 usdc, up_to: 50 usdc, max: 50 usdc}",
        "below": "top_up: {to: hosting, below: 10 usdc, up_to: 50 usdc, max: 50 usdc}",
        "up_to": "top_up: {to: hosting, below: 10 usdc, up_to: 50 usdc, max: 50 usdc}",
        "max": "top_up: {to: hosting, below: 10 usdc, up_to: 50 usdc, max: 50 usdc}",
        "memo": "top_up: {to: hosting, below: 10 usdc, up_to: 50 usdc, max: 50 usdc, memo: rent}",
        "ref": "top_up: {to: hosting, below: 10 usdc, up_to: 50 usdc, max: 50 usdc, ref: HOST-7}",
    },
    "sweep": {
        "token": "sweep: {token: usdc, keep: 1000 usdc, to: vault, max: 5000 usdc}",
        "keep": "sweep: {token: usdc, keep: 1000 usdc, to: vault, max: 5000 usdc}",
        "to": "sweep: {token: usdc, keep: 1000 usdc, to: vault, max: 5000 usdc}",
        "max": "sweep: {token: usdc, keep: 1000 usdc, to: vault, max: 5000 usdc}",
        "memo": "sweep: {token: usdc, keep: 1000 usdc, to: vault, max: 5000 usdc, memo: profit}",
        "ref": "sweep: {token: usdc, keep: 1000 usdc, to: vault, max: 5000 usdc, ref: SWEEP-7}",
    },
}
"""By level and key."""

_SERVICE = "wallets:\n  alchemy:\n    url: https://api.g.alchemy.com/v2\n    "
ORGANISATION_EXAMPLES: dict[str, dict[str, str]] = {
    "organisation": {
        "version": "version: 1",
        "description": "description: Rules of the treasury",
        "tokens": (
            "tokens: {usdc: {decimals: 6, address: 0x036CbD53842c5426634e7929541eC2318f3dCF7e}}"
        ),
        "contacts": "contacts: {alice: 0x00000000000000000000000000000000000a11ce}",
        "groups": "groups: {staff: [alice, bob]}",
        "chains": "chains: [base, base-sepolia]",
        "receivers": "receivers: [staff, hosting]",
        "contracts": "contracts: [vault]",
        "forbidden_permissions": "forbidden_permissions: [root, account-functions]",
        "max_lifetime": "max_lifetime: 45d",
        "max_exposure": "max_exposure: [50000 usdc]",
        "max_fee": "max_fee: 0.001 native",
        "limits": "limits: {per_run: [10000 usdc], per_day: [20000 usdc]}",
        "approve_above": "approve_above: [5000 usdc]",
        "approvers": "approvers: 2",
    },
}

_OWNER = "signers:\n  treasury-owner: "
_DEVICE = (
    _OWNER + "\n    command: [signing-device, --account, treasury]"
    "\n    address: 0x00000000000000000000000000000000000a11ce"
)

_HOOK = "alerts: {webhooks: [{to: {env: HOOK_URL}, secret: {env: HOOK_SECRET}"

CONFIG_EXAMPLES: dict[str, dict[str, str]] = {
    "config": {
        "policies": "policies: policies/",
        "store": "store: sqlite:///.runner/ledger.db",
        "secret_key": "secret_key: {file: .runner/secret.key}",
        "wallets": "wallets: {sandbox: {embedded: true}}",
        "signers": _OWNER + "{env: TREASURY_OWNER_KEY}",
        "http": "http: {bind: 127.0.0.1:8080}",
        "alerts": "alerts: {routes: [{min_severity: warning, to: [{env: ALERT_URL}]}]}",
        "organisation": "organisation: organisation.yaml",
        "log": "log: {format: json}",
    },
    "reference": {
        "env": "secret_key: {env: RUNNER_SECRET}",
        "file": "secret_key: {file: /run/secrets/runner}",
        "command": "secret_key: {command: [pass, show, runner/secret]}",
    },
    "wallet": {
        "embedded": "wallets: {sandbox: {embedded: true}}",
        "state": "wallets: {sandbox: {embedded: true, state: .runner/sandbox.json}}",
        "url": "wallets: {dev: {url: http://127.0.0.1:8545/v2/dev}}",
        "api_key": _SERVICE + "api_key: {env: ALCHEMY_API_KEY}",
        "rpc_url": _SERVICE + "rpc_url: {base: {env: BASE_RPC_URL}}",
        "gas_policies": _SERVICE + "gas_policies: {default: 11111111-2222-4333-8444-555555555555}",
        "rate_limit": _SERVICE + "rate_limit: 25/s",
        "timing": _SERVICE + "timing: {inclusion: 120s, min_lead: 5m}",
    },
    "timing": {
        "inclusion": _SERVICE + "timing: {inclusion: 120s}",
        "skew": _SERVICE + "timing: {skew: 30s}",
        "min_lead": _SERVICE + "timing: {min_lead: 5m}",
        "clock": _SERVICE + "timing: {clock: system}",
        "finality": _SERVICE + "timing: {finality: {blocks: 12, age: 30s}}",
    },
    "finality": {
        "blocks": _SERVICE + "timing: {finality: {blocks: 12}}",
        "age": _SERVICE + "timing: {finality: {age: 30s}}",
    },
    "signer": {
        "env": _OWNER + "{env: TREASURY_OWNER_KEY}",
        "file": _OWNER + "{file: /run/secrets/treasury}",
        "keystore": (_OWNER + "{keystore: keys/treasury.json, password: {env: PASSWORD}}"),
        "password": (_OWNER + "{keystore: keys/treasury.json, password: {env: PASSWORD}}"),
        "command": _DEVICE,
        "address": _DEVICE,
        "timeout": _DEVICE + "\n    timeout: 5m",
        "manual": (_OWNER + "{manual: 0x00000000000000000000000000000000000a11ce}"),
        "private_key_for_sandbox_only": (
            "signers:\n  toy:\n    private_key_for_sandbox_only:\n      "
            "0x0000000000000000000000000000000000000000000000000000000000000001"
        ),
        "sandbox_only": "signers: {toy: {env: TOY_KEY, sandbox_only: true}}",
    },
    "http": {
        "bind": "http: {bind: 127.0.0.1:8080}",
        "token": "http: {bind: 0.0.0.0:8080, token: {env: RUNNER_HTTP_TOKEN}}",
    },
    "alerts": {
        "routes": "alerts: {routes: [{min_severity: critical, to: [{file: /run/secrets/pager}]}]}",
        "webhooks": "alerts: {webhooks: [{to: {env: HOOK_URL}, secret: {env: HOOK_SECRET}}]}",
        "digest_at": 'alerts: {digest_at: "17:00 Europe/Berlin"}',
        "funding_lead": "alerts: {funding_lead: 3d}",
    },
    "route": {
        "min_severity": "alerts: {routes: [{min_severity: warning, to: [{env: ALERT_URL}]}]}",
        "to": 'alerts: {routes: [{to: [{env: ALERT_URL}, "mailto:ops@example.org"]}]}',
    },
    "webhook": {
        "min_severity": _HOOK + ", min_severity: info}]}",
        "to": _HOOK + "}]}",
        "secret": _HOOK + "}]}",
        "allow_private": _HOOK + ", allow_private: true}]}",
    },
    "log": {
        "format": "log: {format: json}",
        "level": "log: {level: debug}",
    },
}
"""By level of runner.yaml and key, each a whole file."""

EVERY_EXAMPLE = {**EXAMPLES, **ORGANISATION_EXAMPLES, **CONFIG_EXAMPLES}
"""By level and key."""
