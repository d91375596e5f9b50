"""The head of a file: its name, tokens, contacts, groups, accounts, defaults."""

CASES = [
    ("P035", "file", "version: §2\nname: p\n"),
    ("P035", "file", "version: §1.0\nname: p\n"),
    ("P035", "file", "version: §v1\nname: p\n"),
    ("P035", "file", "version: §one\nname: p\n"),
    ("P033", "file", "§version:\nname: p\n"),
    ("P032", "file", "version: §[1]\nname: p\n"),
    ("P033", "file", "version: 1\n§name:\n"),
    ("P040", "file", 'version: 1\nname: §""\n'),
    ("P040", "file", "version: 1\nname: §pay roll\n"),
    ("P040", "file", "version: 1\nname: §-p\n"),
    ("P040", "file", "version: 1\nname: §Pay/roll\n"),
    (
        "P040",
        "file",
        ("version: 1\nname: §xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n"),
    ),
    ("P040", "file", "version: 1\nname: §zahlungen-f\xfcr\n"),
    ("P032", "file", "version: 1\nname: §[p]\n"),
    ("P032", "file", "version: 1\nname: §{p: q}\n"),
    ("P030", "file", "version: 1\nname: p\n§Version: 1\n"),
    ("P030", "file", "version: 1\nname: p\n§metadata: {}\n"),
    ("P030", "file", "version: 1\nname: p\n§jobs: {}\n"),
    ("P030", "file", "version: 1\nname: p\n§account: {}\n"),
    ("P030", "file", "version: 1\nname: p\n§schedule: {}\n"),
    ("P030", "file", "version: 1\nname: p\n§session: {}\n"),
    ("P030", "file", "version: 1\nname: p\n§token: {}\n"),
    ("P030", "file", "version: 1\nname: p\n§contact: {}\n"),
    ("P030", "file", "version: 1\nname: p\n§permissions: derive\n"),
    ("P030", "file", 'version: 1\nname: p\n§cron: "0 9 * * *"\n'),
    ("P030", "file", "version: 1\nname: p\n§x-common: {}\n"),
    ("P030", "file", "version: 1\nname: p\n§_common: {}\n"),
    ("P033", "file", "version: 1\nname: p\n§tokens:\n"),
    ("P032", "file", "version: 1\nname: p\ntokens: §[]\n"),
    ("P032", "file", "version: 1\nname: p\ntokens: §usdc\n"),
    (
        "P032",
        "file",
        "version: 1\nname: p\ntokens: {usdc: §0x00000000000000000000000000000000000a11ce}\n",
    ),
    ("P032", "file", "version: 1\nname: p\ntokens: {usdc: §6}\n"),
    ("P031", "file", "version: 1\nname: p\ntokens: {§usdc: {decimals: 6}}\n"),
    (
        "P031",
        "file",
        (
            "version: 1\nname: p\n"
            "tokens: {§usdc: {address: 0x00000000000000000000000000000000000a11ce}}\n"
        ),
    ),
    (
        "P043",
        "file",
        (
            "version: 1\nname: p\n"
            "tokens: {usdc: {decimals: §six, address: "
            "0x00000000000000000000000000000000000a11ce}}\n"
        ),
    ),
    (
        "P044",
        "file",
        (
            "version: 1\nname: p\n"
            "tokens: {usdc: {decimals: §37, address: 0x00000000000000000000000000000000000a11"
            "ce}}\n"
        ),
    ),
    (
        "P043",
        "file",
        (
            "version: 1\nname: p\n"
            "tokens: {usdc: {decimals: §-1, address: 0x00000000000000000000000000000000000a11"
            "ce}}\n"
        ),
    ),
    ("P060", "file", "version: 1\nname: p\ntokens: {usdc: {decimals: 6, address: §0x12}}\n"),
    (
        "P062",
        "file",
        (
            "version: 1\nname: p\n"
            "tokens: {usdc: {decimals: 6, address: §0x000000000000000000000000000000000000000"
            "0}}\n"
        ),
    ),
    ("P060", "file", "version: 1\nname: p\ntokens: {usdc: {decimals: 6, address: §usdc.eth}}\n"),
    ("P036", "file", "version: 1\nname: p\ntokens: {usdc: {decimals: 6, address: §{}}}\n"),
    (
        "P067",
        "file",
        (
            "version: 1\nname: p\n"
            "tokens: {usdc: {decimals: 6, address: {§bsae: "
            "0x00000000000000000000000000000000000a11ce}}}\n"
        ),
    ),
    (
        "P060",
        "file",
        "version: 1\nname: p\ntokens: {usdc: {decimals: 6, address: {base: §0x12}}}\n",
    ),
    (
        "P015",
        "file",
        (
            "version: 1\nname: p\n"
            "tokens: {usdc: {decimals: 6, address: {base: "
            "0x00000000000000000000000000000000000a11ce, §8453: "
            "0x00000000000000000000000000000000000a11ce}}}\n"
        ),
    ),
    (
        "P067",
        "file",
        (
            "version: 1\nname: p\n"
            "tokens: {usdc: {decimals: 6, address: {§0: "
            "0x00000000000000000000000000000000000a11ce}}}\n"
        ),
    ),
    ("P032", "file", "version: 1\nname: p\ntokens: {usdc: {decimals: 6, address: §[base]}}\n"),
    (
        "P030",
        "file",
        (
            "version: 1\nname: p\n"
            "tokens: {usdc: {§decimal: 6, address: 0x00000000000000000000000000000000000a11ce}}\n"
        ),
    ),
    (
        "P030",
        "file",
        (
            "version: 1\nname: p\n"
            "tokens: {usdc: {decimals: 6, §addres: 0x00000000000000000000000000000000000a11ce}}\n"
        ),
    ),
    (
        "P030",
        "file",
        (
            "version: 1\nname: p\n"
            "tokens: {usdc: {decimals: 6, address: 0x00000000000000000000000000000000000a11ce"
            ", §symbol: USDC}}\n"
        ),
    ),
    (
        "P040",
        "file",
        (
            "version: 1\nname: p\n"
            "tokens: {§us dc: {decimals: 6, address: 0x00000000000000000000000000000000000a11"
            "ce}}\n"
        ),
    ),
    (
        "P068",
        "file",
        (
            "version: 1\nname: p\n"
            "tokens: {§native: {decimals: 18, address: "
            "0x00000000000000000000000000000000000a11ce}}\n"
        ),
    ),
    (
        "P068",
        "file",
        (
            "version: 1\nname: p\n"
            "tokens: {§gwei: {decimals: 18, address: 0x00000000000000000000000000000000000a11"
            "ce}}\n"
        ),
    ),
    (
        "P015",
        "file",
        (
            "version: 1\nname: p\n"
            "tokens: {a: {decimals: 6, address: 0x00000000000000000000000000000000000a11ce}, "
            "§a: {decimals: 6, address: 0x00000000000000000000000000000000000a11ce}}\n"
        ),
    ),
    (
        "P068",
        "file",
        (
            "version: 1\nname: p\n"
            "tokens: {a: {decimals: 6, address: 0x00000000000000000000000000000000000a11ce}}\n"
            "contacts: {§a: 0x00000000000000000000000000000000000a11ce}\n"
        ),
    ),
    ("P032", "file", "version: 1\nname: p\ncontacts: §[]\n"),
    (
        "P032",
        "file",
        "version: 1\nname: p\ncontacts: §[0x00000000000000000000000000000000000a11ce]\n",
    ),
    (
        "P032",
        "file",
        "version: 1\nname: p\ncontacts: §0x00000000000000000000000000000000000a11ce\n",
    ),
    ("P033", "file", "version: 1\nname: p\ncontacts: {§alice}\n"),
    ("P033", "file", "version: 1\nname: p\ncontacts: {§alice: }\n"),
    ("P033", "file", "version: 1\nname: p\ncontacts: {alice: §null}\n"),
    ("P060", "file", "version: 1\nname: p\ncontacts: {alice: §bob}\n"),
    ("P060", "file", "version: 1\nname: p\ncontacts: {alice: §bob.eth}\n"),
    (
        "P032",
        "file",
        ("version: 1\nname: p\ncontacts: {alice: §[0x00000000000000000000000000000000000a11ce]}\n"),
    ),
    (
        "P032",
        "file",
        (
            "version: 1\nname: p\n"
            "contacts: {alice: §{address: 0x00000000000000000000000000000000000a11ce}}\n"
        ),
    ),
    (
        "P040",
        "file",
        ("version: 1\nname: p\ncontacts: {§al ice: 0x00000000000000000000000000000000000a11ce}\n"),
    ),
    (
        "P040",
        "file",
        ('version: 1\nname: p\ncontacts: {§"": 0x00000000000000000000000000000000000a11ce}\n'),
    ),
    (
        "P015",
        "file",
        (
            "version: 1\nname: p\n"
            "contacts: {alice: 0x00000000000000000000000000000000000a11ce, §alice: "
            "0x00000000000000000000000000000000000a11ce}\n"
        ),
    ),
    ("P060", "file", "version: 1\nname: p\ncontacts: {alice: §0x123}\n"),
    (
        "P062",
        "file",
        ("version: 1\nname: p\ncontacts: {alice: §0x0000000000000000000000000000000000000000}\n"),
    ),
    (
        "P061",
        "file",
        ("version: 1\nname: p\ncontacts: {alice: §0x036cbD53842c5426634e7929541eC2318f3dCF7e}\n"),
    ),
    (
        "P060",
        "file",
        ("version: 1\nname: p\ncontacts: {alice: §00000000000000000000000000000000000a11ce}\n"),
    ),
    (
        "P032",
        "file",
        (
            "version: 1\nname: p\ncontacts:\n"
            "  §- alice: 0x00000000000000000000000000000000000a11ce\n"
        ),
    ),
    (
        "P032",
        "file",
        ("version: 1\nname: p\ncontacts:\n  §alice 0x00000000000000000000000000000000000a11ce\n"),
    ),
    (
        "P032",
        "file",
        ("version: 1\nname: p\ncontacts:\n  §alice=0x00000000000000000000000000000000000a11ce\n"),
    ),
    (
        "P032",
        "file",
        ("version: 1\nname: p\ncontacts:\n  §alice:0x00000000000000000000000000000000000a11ce\n"),
    ),
    ("P036", "file", "version: 1\nname: p\ngroups: {g: §[]}\n"),
    ("P033", "file", "version: 1\nname: p\ngroups: {§g: }\n"),
    ("P032", "file", "version: 1\nname: p\ngroups: {g: §bob}\n"),
    ("P063", "file", "version: 1\nname: p\ngroups: {g: [§bob]}\n"),
    ("P063", "file", "version: 1\nname: p\ngroups: {g: [§g]}\n"),
    ("P032", "file", "version: 1\nname: p\ngroups: {g: [§[bob]]}\n"),
    ("P032", "file", "version: 1\nname: p\ngroups: {g: §{a: b}}\n"),
    (
        "P063",
        "file",
        (
            "version: 1\nname: p\n"
            "contacts: {alice: 0x00000000000000000000000000000000000a11ce}\n"
            "groups: {g: [§alcie]}\n"
        ),
    ),
    (
        "P068",
        "file",
        (
            "version: 1\nname: p\n"
            "contacts: {alice: 0x00000000000000000000000000000000000a11ce}\n"
            "groups: {§alice: [alice]}\n"
        ),
    ),
    (
        "P069",
        "file",
        (
            "version: 1\nname: p\n"
            "contacts: {alice: 0x00000000000000000000000000000000000a11ce}\n"
            "groups: {g: [alice], h: [§g]}\n"
        ),
    ),
    ("P032", "file", "version: 1\nname: p\naccounts: §[]\n"),
    ("P032", "file", "version: 1\nname: p\naccounts: §treasury\n"),
    ("P033", "file", "version: 1\nname: p\naccounts: {§a: }\n"),
    ("P031", "file", "version: 1\nname: p\nchain: base\nwallet: w\naccounts: {§a: {}}\n"),
    ("P031", "file", "version: 1\nname: p\nchain: base\naccounts: {§a: {owner: o}}\n"),
    ("P031", "file", "version: 1\nname: p\nwallet: w\naccounts: {§a: {owner: o}}\n"),
    ("P067", "file", "version: 1\nname: p\nchain: §bsae\nwallet: w\naccounts: {a: {owner: o}}\n"),
    ("P067", "file", "version: 1\nname: p\nchain: §Base\nwallet: w\naccounts: {a: {owner: o}}\n"),
    ("P067", "file", "version: 1\nname: p\nchain: §0\nwallet: w\naccounts: {a: {owner: o}}\n"),
    (
        "P067",
        "file",
        "version: 1\nname: p\nchain: §base mainnet\nwallet: w\naccounts: {a: {owner: o}}\n",
    ),
    ("P032", "file", "version: 1\nname: p\nchain: §[base]\nwallet: w\naccounts: {a: {owner: o}}\n"),
    (
        "P056",
        "file",
        (
            "version: 1\nname: p\nchain: polygon\nwallet: w\n"
            "accounts: {a: {owner: o, max_fee: §1 ether}}\n"
        ),
    ),
    (
        "P056",
        "file",
        (
            "version: 1\nname: p\nchain: 137\nwallet: w\n"
            "accounts: {a: {owner: o, max_fee: §1 ether}}\n"
        ),
    ),
    (
        "P067",
        "file",
        "version: 1\nname: p\nchain: §eip155:8453\nwallet: w\naccounts: {a: {owner: o}}\n",
    ),
    (
        "P040",
        "file",
        "version: 1\nname: p\nchain: base\nwallet: §my wallet\naccounts: {a: {owner: o}}\n",
    ),
    ("P040", "file", "version: 1\nname: p\nchain: base\nwallet: w\naccounts: {§a b: {owner: o}}\n"),
    ("P032", "file", "version: 1\nname: p\nsessions: §[]\n"),
    ("P033", "file", "version: 1\nname: p\nsessions: {§s: }\n"),
    ("P064", "file", "version: 1\nname: p\nsessions: {s: {account: §a, lifetime: 1d}}\n"),
    ("P032", "file", "version: 1\nname: p\nsessions: {s: {account: §[a], lifetime: 1d}}\n"),
    ("P032", "file", "version: 1\nname: p\ndefaults: §[]\n"),
    ("P030", "file", "version: 1\nname: p\ndefaults: {§timezon: UTC}\n"),
    ("P048", "file", "version: 1\nname: p\ndefaults: {timezone: §Berlin}\n"),
    ("P048", "file", "version: 1\nname: p\ndefaults: {timezone: §5}\n"),
    ("P030", "file", "version: 1\nname: p\ndefaults: {§owner: x}\n"),
    ("P030", "file", "version: 1\nname: p\ndefaults: {§name: x}\n"),
    ("P030", "file", "version: 1\nname: p\ndefaults: {§previous_names: [a]}\n"),
    ("P030", "file", "version: 1\nname: p\ndefaults: {§schedule: {timezone: UTC}}\n"),
    ("P032", "file", "version: 1\nname: p\ninclude: §x.yaml\n"),
    ("P130", "file", "version: 1\nname: p\ninclude: [§x.yaml]\n"),
    ("P032", "file", "version: 1\nname: p\ninclude: [§[x.yaml]]\n"),
    ("P030", "account", "§ownr: x"),
    ("P015", "account", "§owner: y"),
    ("P041", "account", "gas: §sponsored"),
    ("P041", "account", "gas: §self"),
    ("P041", "account", "gas: §none"),
    ("P031", "account", "§gas: {}"),
    ("P033", "account", "gas: {§sponsor: }"),
    ("P032", "account", "gas: {sponsor: §[a]}"),
    ("P030", "account", "gas: {§sponser: a}"),
    ("P030", "account", "gas: {sponsor: a, §token: usdc}"),
    ("P041", "account", "gas: §true"),
    ("P041", "account", "type: §eoa"),
    ("P041", "account", "type: §safe"),
    ("P041", "account", "type: §smrat"),
    ("P060", "account", "address: §0x12"),
    ("P060", "account", "address: §alice"),
    ("P062", "account", "address: §0x0000000000000000000000000000000000000000"),
    ("P060", "account", "address: §x.eth"),
    ("P043", "account", "salt: §x"),
    ("P043", "account", "salt: §-1"),
    ("P043", "account", "salt: §0x12"),
    ("P043", "account", "salt: §1.5"),
    ("P051", "account", "max_fee: §1"),
    ("P051", "account", "max_fee: §0.001"),
    ("P056", "account", "max_fee: §1 usdc"),
    ("P055", "account", "max_fee: §0 native"),
    ("P050", "account", "max_fee: §20 gwei per gas"),
    ("P051", "account", "max_fee_per_day: §5"),
    ("P030", "account", "§max_fees: 1 native"),
    ("P030", "account", "§max-fee: 1 native"),
    ("P040", "account", "wallet: §my wallet"),
    ("P032", "account", "wallet: §[a]"),
    ("P030", "account", "§wallets: a"),
    ("P030", "account", "§chains: base"),
    ("P030", "account", "§network: base"),
    ("P030", "account", "§signer: x"),
    ("P030", "account", "§id: x"),
    ("P030", "account", "§name: x"),
    ("P030", "account", "§nonce: 1"),
]
