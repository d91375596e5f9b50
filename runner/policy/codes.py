"""
The stable ids of everything that can be wrong with a policy or with runner.yaml.

    P001–P019  reading the file          P060–P079  addresses and names
    P021–P029  values YAML cuts up       P080–P089  calls
    P030–P039  structure                 P090–P099  sessions and permissions
    P040–P049  plain values              P100–P111  schedules
    P050–P057  amounts                   P120–P129  runner.yaml
    P112–P119  coverage by grants        P130–P139  files beside a policy
    P900–P929  warnings

An id is never reused and never changes its meaning. `catalogue` explains each.
"""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """One kind of fault."""

    UNREADABLE = "P001"
    NOT_UTF8 = "P002"
    TOO_LARGE = "P003"
    TOO_DEEP = "P004"
    EXPANDS_TOO_FAR = "P005"
    NOT_A_MAP = "P006"
    BAD_CHARACTER = "P007"
    HIDDEN_LINE_BREAK = "P008"
    TAB = "P009"
    SECOND_DOCUMENT = "P010"
    TAG = "P011"
    BAD_ALIAS = "P012"
    NOT_CLOSED = "P013"
    NOT_YAML = "P014"
    DUPLICATE_KEY = "P015"
    BAD_KEY = "P016"
    BAD_MERGE = "P017"

    STARTS_WITH_STAR = "P021"
    STARTS_WITH_AT = "P022"
    VARIABLE_IN_BRACES = "P023"
    SIGNATURE_CUT = "P024"
    THOUSANDS_CUT = "P025"
    SWALLOWED_BY_COMMENT = "P026"
    RESERVED_START = "P027"
    COLON_IN_VALUE = "P028"
    VALUE_GOES_ON = "P029"

    UNKNOWN_KEY = "P030"
    MISSING_KEY = "P031"
    WRONG_TYPE = "P032"
    NO_VALUE = "P033"
    NOT_SUPPORTED_YET = "P034"
    BAD_VERSION = "P035"
    EMPTY = "P036"
    UNSET_VARIABLE = "P037"
    BAD_VARIABLE = "P038"
    SECRET = "P039"  # noqa: S105 (the id of the fault, not a secret)

    BAD_NAME = "P040"
    NOT_A_CHOICE = "P041"
    NOT_A_BOOLEAN = "P042"
    NOT_A_NUMBER = "P043"
    OUT_OF_RANGE = "P044"
    NOT_A_DURATION = "P045"
    NOT_A_PERCENTAGE = "P046"
    NOT_AN_INSTANT = "P047"
    UNKNOWN_TIMEZONE = "P048"
    NOT_A_TIME = "P049"

    NOT_AN_AMOUNT = "P050"
    NO_UNIT = "P051"
    UNKNOWN_UNIT = "P052"
    TOO_FINE = "P053"
    TOO_MUCH = "P054"
    NOT_ABOVE_ZERO = "P055"
    WRONG_ASSET = "P056"
    AMOUNT_TWICE = "P057"

    NOT_AN_ADDRESS = "P060"
    WRONG_CHECKSUM = "P061"
    ZERO_ADDRESS = "P062"
    UNKNOWN_CONTACT = "P063"
    UNKNOWN_ACCOUNT = "P064"
    UNKNOWN_SESSION = "P065"
    NOT_ON_CHAIN = "P066"
    UNKNOWN_CHAIN = "P067"
    NAME_TWICE = "P068"
    NOT_ONE_RECEIVER = "P069"
    UNKNOWN_WALLET = "P070"
    UNKNOWN_SIGNER = "P071"
    UNKNOWN_GAS_POLICY = "P072"
    SANDBOX_MISMATCH = "P073"
    POLICY_TWICE = "P074"
    PREVIOUS_NAME_IN_USE = "P075"
    NO_MAX_FEE = "P076"

    NOT_ONE_KIND = "P080"
    NOT_A_SIGNATURE = "P081"
    WRONG_ARGUMENTS = "P082"
    BAD_ARGUMENT = "P083"
    NOT_HEX = "P084"
    UNLIMITED_APPROVAL = "P085"
    NOT_A_RECEIVER = "P086"
    NO_CALLS = "P087"

    BAD_PERMISSION = "P090"
    ROOT_NOT_ALONE = "P091"
    PERMISSION_TWICE = "P092"
    RISK_NOT_ACCEPTED = "P093"
    FUNCTION_REFUSED = "P094"
    NOTHING_ALLOWED = "P095"
    ENDLESS = "P096"
    RENEWED_TOO_EARLY = "P097"
    NO_DAILY_LIMIT = "P098"
    NOT_COVERED = "P099"

    NO_TRIGGER = "P100"
    TWO_TRIGGERS = "P101"
    BAD_CRON = "P102"
    NEVER_FIRES = "P103"
    NO_TIMEZONE = "P104"
    NO_DAY_MATCH = "P105"
    NO_WINDOW = "P106"
    END_BEFORE_START = "P107"
    NOT_ONE_INSTANT = "P108"
    NOT_A_DATE = "P109"
    BAD_BLACKOUT = "P110"
    BAD_CONDITION = "P111"

    ALLOWANCE_TOO_SHORT = "P112"
    GAS_TOO_SHORT = "P113"
    EXPOSURE_TOO_SMALL = "P114"

    NOT_ONE_WALLET = "P120"
    BAD_URL = "P121"
    BAD_REFERENCE = "P122"
    PLAIN_SECRET = "P123"  # noqa: S105 (the id of the fault, not a secret)
    BAD_BIND = "P124"
    OPEN_WITHOUT_TOKEN = "P125"  # noqa: S105 (the id of the fault, not a secret)
    BAD_STORE = "P126"
    BAD_RATE = "P127"
    BAD_ROUTE = "P128"

    BAD_PATH = "P130"
    BAD_BOOK = "P131"
    BAD_CSV = "P132"
    TOO_MANY_ROWS = "P133"
    BAD_ABI = "P134"

    BEYOND_ORGANISATION = "P140"

    NO_EFFECT = "P900"
    CRON_EVERY_MINUTE_OF_ONE_HOUR = "P901"
    ROOT_GRANTED = "P902"
    VARIABLE_IGNORED = "P903"
    SESSION_UNUSED = "P904"
    PAID_TWICE_IN_ONE_FILE = "P905"
    NEVER_FIRES_AGAIN = "P910"
    SKIPS_MONTHS = "P911"
    HITS_A_CLOCK_CHANGE = "P912"
    TWICE_IN_ONE_MONTH = "P913"
    EITHER_DAY = "P914"
    BROADER_THAN_NEEDED = "P915"
    LONGER_THAN_NEEDED = "P916"
    CONTACT_UNUSED = "P917"
    AMOUNT_OUT_OF_LINE = "P918"
    NOT_RENEWED = "P920"
    PAUSES_AT_RENEWAL = "P921"
    TOO_SHORT_A_LIFE = "P922"
    NEVER_WITHIN_LIMITS = "P923"
    PAID_TO_A_TOKEN = "P924"  # noqa: S105 (the id of the fault, not a secret)
