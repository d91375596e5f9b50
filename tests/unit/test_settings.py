from __future__ import annotations

from datetime import time, timedelta
from pathlib import Path

import pytest

from runner.errors import PolicyErrors
from runner.policy.catalogue.examples import CONFIG_EXAMPLES
from runner.policy.language import LEVELS
from runner.policy.language.config import CONFIG_LEVELS, paths
from runner.policy.report import render_fault
from runner.settings import (
    CommandRef,
    EnvRef,
    FileRef,
    Route,
    Settings,
    WalletProfile,
    Webhook,
    load_settings,
)

KEY = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
WHOLE = """\
policies: rules/
store: sqlite:///data/ledger.db
secret_key: {file: data/secret.key}
wallets:
  sandbox: {embedded: true, state: data/sandbox.json}
  dev: {url: http://127.0.0.1:8545/v2/dev, timing: {skew: 2s}}
  alchemy:
    url: https://api.g.alchemy.com/v2
    api_key: {env: ALCHEMY_API_KEY}
    rpc_url: {base: {env: BASE_RPC_URL}, 10: https://rpc.example/op}
    gas_policies: {default: 11111111-2222-4333-8444-555555555555}
    rate_limit: 25/s
    timing: {inclusion: 90s, finality: {blocks: 3, age: 0s}}
signers:
  treasury-owner: {env: TREASURY_OWNER_KEY}
  cold: {keystore: keys/cold.json, password: {file: keys/password}, sandbox_only: true}
  toy: {private_key_for_sandbox_only: 0xPRIVATE}
http: {bind: "[::1]:9000", token: {env: RUNNER_HTTP_TOKEN}}
log: {format: json, level: debug}
""".replace("PRIVATE", KEY)


def _load(folder: Path, text: str, environment: dict[str, str] | None = None) -> Settings:
    (folder / "runner.yaml").write_text(text)
    return load_settings(None, environment or {}, folder)


def _found(folder: Path, text: str, environment: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(PolicyErrors) as caught:
        _load(folder, text.replace("§", ""), environment)
    faults = [fault for fault in caught.value.faults if fault.severity == "error"]
    return [f"{fault.code} {fault.where.line}:{fault.where.column}" for fault in faults]


def _expected(code: str, text: str) -> list[str]:
    before = text[: text.index("§")]
    return [f"{code} {before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"]


def test_every_key_is_read(tmp_path: Path):
    settings = _load(tmp_path, WHOLE)
    alchemy = settings.wallets["alchemy"]

    assert settings.policies == tmp_path / "rules"
    assert settings.store == f"sqlite:///{tmp_path}/data/ledger.db"
    assert settings.secret_key == FileRef(tmp_path / "data/secret.key")
    assert settings.wallets["sandbox"].state == tmp_path / "data/sandbox.json"
    assert (alchemy.url, alchemy.api_key) == (
        "https://api.g.alchemy.com/v2",
        EnvRef("ALCHEMY_API_KEY"),
    )
    assert alchemy.rpc_url.get(8453) == EnvRef("BASE_RPC_URL")
    assert alchemy.rpc_url.get(10) == "https://rpc.example/op"
    assert alchemy.rpc_url.get(1) is None
    assert alchemy.rate_limit == 25.0
    assert settings.signers["treasury-owner"].source == EnvRef("TREASURY_OWNER_KEY")
    assert settings.signers["cold"].keystore == tmp_path / "keys/cold.json"
    assert settings.signers["cold"].password == FileRef(tmp_path / "keys/password")
    assert settings.signers["cold"].sandbox_only
    assert (settings.http.host, settings.http.port, settings.http.bind) == (
        "::1",
        9000,
        "[::1]:9000",
    )
    assert (settings.log.format, settings.log.level) == ("json", "debug")
    assert settings.warnings == ()
    assert not settings.throw_away_signers


def test_a_key_for_play_money_is_marked_and_not_shown(tmp_path: Path):
    toy = _load(tmp_path, WHOLE).signers["toy"]

    assert toy.sandbox_only
    assert toy.private_key.get_secret_value() == f"0x{KEY}"
    assert KEY not in repr(toy)
    assert KEY not in f"{toy.private_key}"


HER = "address: 0x00000000000000000000000000000000000a11ce"

RARE = """\
secret_key: {command: [pass, show, runner]}
organisation: rules/organisation.yaml
signers:
  device:
    command: [signer, --slot, "1"]
    address: 0x00000000000000000000000000000000000a11ce
    sandbox_only: true
  chair: {manual: 0x00000000000000000000000000000000000a11ce}
alerts:
  routes:
    - {min_severity: critical, to: [{env: PAGER_URL}, "mailto:ops@example.org"]}
    - {to: [{file: hooks/chat}]}
  digest_at: "17:00 Europe/Berlin"
  funding_lead: 5d
"""


def test_rare_keys_are_read(tmp_path: Path):
    settings = _load(tmp_path, RARE)

    assert settings.secret_key == CommandRef(("pass", "show", "runner"))
    assert settings.organisation == tmp_path / "rules/organisation.yaml"
    assert settings.signers["device"].command == ("signer", "--slot", "1")
    assert settings.signers["device"].sandbox_only
    assert settings.signers["chair"].manual == "0x00000000000000000000000000000000000A11cE"
    assert settings.alerts.routes == (
        Route("critical", (EnvRef("PAGER_URL"), "mailto:ops@example.org")),
        Route("warning", (FileRef(tmp_path / "hooks/chat"),)),
    )
    assert settings.alerts.digest_at == (time(17), "Europe/Berlin")
    assert settings.alerts.funding_lead == timedelta(days=5)
    found = [f"{one.code} {one.where.line}:{one.where.column}" for one in settings.warnings]
    assert found == []


def test_a_program_with_a_path_lies_where_runner_yaml_is(tmp_path: Path):
    text = f"signers: {{a: {{command: [bin/sign, x/y], {HER}, timeout: 5m}}}}\n"
    signer = _load(tmp_path, text).signers["a"]

    assert signer.command == (str(tmp_path / "bin/sign"), "x/y")
    assert signer.timeout == timedelta(minutes=5)
    assert _load(tmp_path, RARE).signers["device"].timeout == timedelta(seconds=60)


def test_a_webhook_refers_to_its_url_and_to_its_secret(tmp_path: Path):
    hooks = (
        "alerts: {webhooks: [{to: {env: HOOK}, secret: {file: hook.key}, allow_private: true}]}\n"
    )
    settings = _load(tmp_path, hooks)

    secret = FileRef(tmp_path / "hook.key")
    assert settings.alerts.webhooks == (Webhook(EnvRef("HOOK"), secret, "warning", True),)
    assert not settings.warnings


def test_alerts_have_defaults(tmp_path: Path):
    assert _load(tmp_path, "policies: x\n").alerts.funding_lead == timedelta(days=3)


def test_where_an_alert_goes_is_not_shown(tmp_path: Path):
    settings = _load(tmp_path, "alerts: {routes: [{to: [slack://hunter2/x]}]}\n")

    assert settings.alerts.routes[0].to == ("slack://hunter2/x",)
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in "".join(render_fault(each) for each in settings.warnings)


@pytest.mark.parametrize(
    "example",
    [text for keys in CONFIG_EXAMPLES.values() for text in keys.values()],
)
def test_every_example_is_read(tmp_path: Path, example):
    settings = _load(tmp_path, example + "\n")

    assert {each.code for each in settings.warnings} <= {"P034"}


def test_every_key_has_an_example_that_holds_it():
    assert {name: set(level.keys) for name, level in CONFIG_LEVELS.items()} == {
        name: set(keys) for name, keys in CONFIG_EXAMPLES.items()
    }
    for keys in CONFIG_EXAMPLES.values():
        assert all(f"{key}:" in text for key, text in keys.items())


def test_levels_of_policies_and_of_settings_have_names_of_their_own():
    assert not set(LEVELS) & set(CONFIG_LEVELS)


def test_r24_timing_depends_on_the_kind_of_profile(tmp_path: Path):
    wallets = _load(tmp_path, WHOLE).wallets

    assert wallets["sandbox"].timing == WalletProfile(embedded=True).timing
    dev, alchemy = wallets["dev"].timing, wallets["alchemy"].timing
    assert (dev.inclusion, dev.skew, dev.min_lead, dev.clock) == (
        timedelta(seconds=3),
        timedelta(seconds=2),
        timedelta(seconds=5),
        "wallet",
    )
    assert (dev.finality_blocks, dev.finality_age) == (1, timedelta(0))
    assert (alchemy.inclusion, alchemy.skew, alchemy.min_lead, alchemy.clock) == (
        timedelta(seconds=90),
        timedelta(seconds=30),
        timedelta(minutes=5),
        "system",
    )
    assert (alchemy.finality_blocks, alchemy.finality_age) == (3, timedelta(0))


@pytest.mark.parametrize(
    ("url", "sandbox"),
    [
        ("http://localhost:8545/v2/dev", True),
        ("http://127.8.0.1/v2/dev", True),
        ("http://[::1]:8545/v2/dev", True),
        ("http://127.0.0.1.example.com/", False),
        ("https://api.g.alchemy.com/v2", False),
    ],
)
def test_a_loopback_url_is_a_sandbox(url, sandbox):
    assert WalletProfile(url=url).is_sandbox is sandbox


def test_without_a_file_there_is_a_built_in_sandbox(tmp_path: Path):
    settings = load_settings(None, {}, tmp_path)

    assert settings.throw_away_signers
    assert settings.file is None
    assert settings.policies == tmp_path / "policies"
    assert settings.store == f"sqlite:///{tmp_path}/.runner/ledger.db"
    assert settings.secret_key == FileRef(tmp_path / ".runner/secret.key")
    assert settings.wallets["sandbox"].embedded
    assert settings.wallets["sandbox"].state == tmp_path / ".runner/sandbox.json"
    assert list(tmp_path.iterdir()) == []


def test_the_option_goes_before_the_variable_and_the_folder(tmp_path: Path):
    for name in ("option", "variable", "runner"):
        (tmp_path / f"{name}.yaml").write_text(f"policies: {name}\n")
    named = {"RUNNER_CONFIG": "variable.yaml"}

    assert load_settings(Path("option.yaml"), named, tmp_path).policies.name == "option"
    assert load_settings(None, named, tmp_path).policies.name == "variable"
    assert load_settings(None, {}, tmp_path).policies.name == "runner"


def test_paths_are_relative_to_the_file(tmp_path: Path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "runner.yaml").write_text("policies: p\n")

    settings = load_settings(Path("etc/runner.yaml"), {}, tmp_path)

    assert settings.policies == tmp_path / "etc" / "p"
    assert settings.file == tmp_path / "etc" / "runner.yaml"


def test_a_named_file_must_be_there(tmp_path: Path):
    with pytest.raises(PolicyErrors) as caught:
        load_settings(Path("no.yaml"), {}, tmp_path)

    assert caught.value.faults[0].code == "P001"


def test_variables_take_the_place_of_keys(tmp_path: Path):
    settings = _load(
        tmp_path,
        WHOLE,
        {
            "RUNNER_HTTP__BIND": "127.0.0.1:1",
            "RUNNER_SIGNERS__TREASURY_OWNER__ENV": "OTHER",
            "RUNNER_WALLETS__ALCHEMY__TIMING__SKEW": "7s",
            "RUNNER_LOG__LEVEL": "error",
            "RUNNER_HTTP_TOKEN": "named by the file, so no warning",
        },
    )

    assert settings.http.port == 1
    assert settings.signers["treasury-owner"].source == EnvRef("OTHER")
    assert settings.wallets["alchemy"].timing.skew == timedelta(seconds=7)
    assert settings.log.level == "error"
    assert settings.warnings == ()


BESIDE = f"signers: {{chair: {{{HER}}}}}\n"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("RUNNER_SIGNERS__CHAIR__COMMAND", '["sign", "it"]'),
        ("RUNNER_SIGNERS__CHAIR__COMMAND", "[sign, it]"),
    ],
)
def test_a_variable_may_hold_a_list(tmp_path: Path, variable, value):
    settings = _load(tmp_path, BESIDE, {variable: value})

    assert settings.signers["chair"].command == ("sign", "it")


def test_a_variable_may_hold_all_routes(tmp_path: Path):
    routes = '[{"min_severity": "info", "to": [{"env": "URL"}]}]'
    settings = _load(tmp_path, RARE, {"RUNNER_ALERTS__ROUTES": routes})

    assert settings.alerts.routes == (Route("info", (EnvRef("URL"),)),)


@pytest.mark.parametrize("value", ["sign it", "[sign, it", "", "[]", "{a: b}", "x: y", "[a]\nb: c"])
def test_a_variable_that_holds_no_list_is_refused(tmp_path: Path, value):
    with pytest.raises(PolicyErrors) as caught:
        _load(tmp_path, BESIDE, {"RUNNER_SIGNERS__CHAIR__COMMAND": value})

    (fault,) = [each for each in caught.value.faults if each.severity == "error"]
    assert (fault.code, fault.where.file) == ("P032", "RUNNER_SIGNERS__CHAIR__COMMAND")


def test_variables_can_name_every_place_of_a_value():
    known = {"__".join(path) for path in paths()}

    assert known >= {
        "policies",
        "store",
        "organisation",
        "secret_key__file",
        "wallets__*__embedded",
        "wallets__*__rpc_url",
        "wallets__*__rpc_url__env",
        "wallets__*__rpc_url__*",
        "wallets__*__rpc_url__*__file",
        "wallets__*__gas_policies__*",
        "wallets__*__timing__skew",
        "wallets__*__timing__finality__blocks",
        "signers__*__manual",
        "signers__*__password__command",
        "signers__*__private_key_for_sandbox_only",
        "http__token__env",
        "alerts__routes",
        "alerts__digest_at",
        "log__level",
    }
    assert not known & {"secret_key", "wallets", "http__token", "wallets__*__timing", "log"}


def test_a_variable_that_holds_a_key_where_a_name_belongs_does_not_show_it(tmp_path: Path):
    secret = "a" + KEY[1:]

    with pytest.raises(PolicyErrors) as caught:
        _load(tmp_path, WHOLE, {"RUNNER_SIGNERS__TREASURY_OWNER__ENV": secret})

    (fault,) = caught.value.faults
    assert (fault.code, fault.where.file) == ("P039", "RUNNER_SIGNERS__TREASURY_OWNER__ENV")
    assert secret not in render_fault(fault)


def test_variables_hold_without_a_file(tmp_path: Path):
    settings = load_settings(None, {"RUNNER_WALLETS__DEV__URL": "http://localhost:1/"}, tmp_path)

    assert settings.wallets["dev"].is_sandbox


def test_a_variable_that_names_nothing_is_ignored_with_a_warning(tmp_path: Path):
    settings = _load(tmp_path, WHOLE, {"RUNNER_HTP__BIND": "127.0.0.1:1", "OTHER": "x"})

    (warning,) = settings.warnings
    assert (warning.code, warning.severity) == ("P903", "warning")
    assert warning.hint == "did you mean `RUNNER_HTTP__BIND`?"


def test_a_wrong_value_of_a_variable_is_blamed_on_it(tmp_path: Path):
    with pytest.raises(PolicyErrors) as caught:
        _load(tmp_path, WHOLE, {"RUNNER_LOG__LEVEL": "loud"})

    (fault,) = caught.value.faults
    assert (fault.code, fault.where.file) == ("P041", "RUNNER_LOG__LEVEL")


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("P006", "§"),
        ("P030", "§policy: x\n"),
        ("P030", "log: {§levle: info}\n"),
        ("P030", "wallets: {a: {url: https://x.y, §timin: {}}}\n"),
        ("P030", "secret_key: {§envv: X}\n"),
        ("P032", "http: §x\n"),
        ("P032", "wallets: {a: §[x]}\n"),
        ("P030", "alerts: {§route: []}\n"),
        ("P030", "alerts: {routes: [{to: [{env: X}], §severity: info}]}\n"),
        ("P031", "alerts: {routes: [§{min_severity: info}]}\n"),
        ("P032", "policies: §[x]\n"),
        ("P032", "alerts: {routes: §x}\n"),
        ("P032", f"signers: {{a: {{{HER}, command: §sign it}}}}\n"),
        ("P032", f"signers: {{a: {{{HER}, command: §[]}}}}\n"),
        ("P032", f"signers: {{a: {{{HER}, command: [x, §{{y: z}}]}}}}\n"),
        ("P032", "secret_key: {command: §{x: y}}\n"),
        ("P033", "§wallets:\n"),
        ("P033", "§store:\n"),
        ("P034", "store: §postgresql://user@host/db\n"),
        ("P039", f"signers: {{a: {{env: §{KEY}}}}}\n"),
        ("P039", "wallets: {a: {url: §https://eth.g.alchemy.com/v2/abcdefghijklmnop}}\n"),
        ("P041", "log: {level: §loud}\n"),
        ("P041", "alerts: {routes: [{min_severity: §error, to: [{env: X}]}]}\n"),
        ("P044", "wallets: {a: {url: https://x.y, timing: {finality: {blocks: §0}}}}\n"),
        ("P045", "wallets: {a: {url: https://x.y, timing: {skew: §5}}}\n"),
        ("P045", "alerts: {funding_lead: §3}\n"),
        ("P048", 'alerts: {digest_at: §"17:00 Berlin/Europe"}\n'),
        ("P049", 'alerts: {digest_at: §"25:00 Europe/Berlin"}\n'),
        ("P104", 'alerts: {digest_at: §"17:00"}\n'),
        ("P060", "signers: {a: {manual: §alice}}\n"),
        ("P061", "signers: {a: {manual: §0x00000000000000000000000000000000000A11Ce}}\n"),
        ("P062", "signers: {a: {manual: §0x0000000000000000000000000000000000000000}}\n"),
        ("P030", "wallets: {a: {url: https://x.y, rpc_url: {§envv: X}}}\n"),
        ("P067", "wallets: {a: {url: https://x.y, rpc_url: {§bsae: https://x.y}}}\n"),
        (
            "P015",
            "wallets: {a: {url: https://x.y, rpc_url: {base: https://x.y, §8453: https://z.y}}}\n",
        ),
        ("P120", "wallets: {§a: {}}\n"),
        ("P120", "wallets: {§a: {embedded: true, url: https://x.y}}\n"),
        ("P121", "wallets: {a: {url: §ftp://x}}\n"),
        ("P122", "signers: {§a: {}}\n"),
        ("P122", "signers: {§a: {command: [x]}}\n"),
        ("P122", f"signers: {{a: {{env: X, address: §{HER[9:]}}}}}\n"),
        ("P122", "signers: {a: {file: x, timeout: §5m}}\n"),
        ("P060", "signers: {a: {command: [x], address: §alice}}\n"),
        ("P122", "signers: {§a: {env: X, file: y}}\n"),
        (
            "P122",
            "signers: {a: {env: X, §password: {env: Y}}}\n".replace("§password: ", "password: §"),
        ),
        ("P122", "signers: {§a: {manual: 0x00000000000000000000000000000000000a11ce, env: X}}\n"),
        ("P122", "§secret_key: {}\n"),
        ("P122", "§secret_key: {env: X, command: [y]}\n"),
        ("P122", "wallets: {a: {url: https://x.y, §rpc_url: {}}}\n"),
        ("P122", "wallets: {a: {url: https://x.y, rpc_url: {§base: {}}}}\n"),
        ("P123", "secret_key: §hunter2\n"),
        ("P123", "http: {token: §hunter2}\n"),
        ("P123", "wallets: {a: {url: https://x.y, api_key: §hunter2}}\n"),
        ("P124", "http: {bind: §8080}\n"),
        ("P125", "http: {bind: §0.0.0.0:80}\n"),
        ("P126", "store: §ledger.db\n"),
        ("P127", "wallets: {a: {url: https://x.y, rate_limit: §25}}\n"),
        ("P123", "alerts: {webhooks: [{to: {env: A}, secret: §hunter2}]}\n"),
        ("P031", "alerts: {webhooks: [§{to: {env: A}}]}\n"),
        ("P128", "alerts: {routes: [{to: §hunter2}]}\n"),
        ("P128", "alerts: {routes: [{to: §[]}]}\n"),
        ("P128", "alerts: {routes: [{to: [§hunter2]}]}\n"),
    ],
)
def test_one_fault_at_its_place(tmp_path: Path, code, text):
    assert _found(tmp_path, text) == _expected(code, text)


def test_all_faults_come_out_at_once(tmp_path: Path):
    text = "polices: x\nlog: {level: loud}\nwallets: {a: {}}\nhttp: {bind: 0.0.0.0:1, x: 1}\n"

    assert _found(tmp_path, text) == [
        "P030 1:1",
        "P041 2:14",
        "P120 3:11",
        "P125 4:14",
        "P030 4:25",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "http: {token: hunter2, bind: 1}\n",
        "secret_key: hunter2\n",
        f"signers: {{a: {{env: {KEY}, x: 1}}}}\n",
        f"signers: {{a: {{private_key_for_sandbox_only: {KEY[:-1]}}}}}\n",
        "signers: {a: {env: hunter2-x}}\n",
        # Faults of the file itself, before there are fields.
        "http: {token: hunter2, token: x}\n",
        "http: {token: *hunter2}\n",
        "http: {token: @hunter2}\n",
        "http: {token: hunter2\n",
        "signers: {a: {env: 'hunter2-x}}\n",
        "secret_key: |\n  hunter2\u2028x: y\n",
        "secret_key:\n  first\n  hunter2\nhttp: x\n",
        "http: {token: 'a\n  hunter2', x: y}\n",
        "alerts: {routes: [{to: [slack://hunter2/x, hunter2], too: 1}]}\n",
        "alerts: {routes: [{to: hunter2, too: 1}]}\n",
    ],
)
def test_secrets_written_out_are_never_shown(tmp_path: Path, text):
    with pytest.raises(PolicyErrors) as caught:
        _load(tmp_path, text)

    shown = "".join(render_fault(fault) + repr(fault) for fault in caught.value.faults)
    assert "hunter2" not in shown
    assert KEY[:-1] not in shown
