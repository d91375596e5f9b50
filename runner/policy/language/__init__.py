"""
The keys of the policy language, level by level: one table that reading, messages, `explain`, the
documentation and the JSON Schema share.
"""

from __future__ import annotations

from runner.policy.language.accounts import (
    ACCOUNT,
    BOOK,
    GAS,
    POLICY,
    TOKEN,
)
from runner.policy.language.calls import (
    APPROVE,
    CALL,
    COLUMNS,
    ITEM,
    PAY,
    PAY_EACH,
    RAW,
    SWEEP,
    TOP_UP,
)
from runner.policy.language.level import Key, Level
from runner.policy.language.schedules import (
    ARGUMENT,
    BALANCE,
    BLACKOUT,
    DATE_RULE,
    DATES,
    REQUIRE,
    SCHEDULE,
)
from runner.policy.language.sessions import (
    FUNCTIONS,
    FUNCTIONS_ON_CONTRACT,
    LIMITS,
    PERMISSION,
    SESSION,
)

LEVELS = {
    level.name: level
    for level in (
        POLICY,
        BOOK,
        TOKEN,
        ACCOUNT,
        GAS,
        SESSION,
        LIMITS,
        PERMISSION,
        FUNCTIONS_ON_CONTRACT,
        FUNCTIONS,
        SCHEDULE,
        DATES,
        DATE_RULE,
        BLACKOUT,
        REQUIRE,
        BALANCE,
        ARGUMENT,
        ITEM,
        PAY,
        CALL,
        APPROVE,
        RAW,
        PAY_EACH,
        COLUMNS,
        TOP_UP,
        SWEEP,
    )
}
"""All levels of a policy by name."""

__all__ = [
    "ACCOUNT",
    "APPROVE",
    "ARGUMENT",
    "BALANCE",
    "BLACKOUT",
    "BOOK",
    "CALL",
    "COLUMNS",
    "DATES",
    "DATE_RULE",
    "FUNCTIONS",
    "FUNCTIONS_ON_CONTRACT",
    "GAS",
    "ITEM",
    "LEVELS",
    "LIMITS",
    "PAY",
    "PAY_EACH",
    "PERMISSION",
    "POLICY",
    "RAW",
    "REQUIRE",
    "SCHEDULE",
    "SESSION",
    "SWEEP",
    "TOKEN",
    "TOP_UP",
    "Key",
    "Level",
]
