"""
A corpus of bad and odd files, by family.

A case holds the codes of all faults of a file, in the order of their places; the method of
`Texts` that builds the file; and the text it builds it from, in which `§` stands before the
character at which a fault must point, twice where two faults point.
"""

from support.corpus import (
    amounts,
    books,
    calls,
    keys,
    odd,
    receivers,
    schedules,
    sessions,
    several,
    sound,
    text,
    traps,
    variables,
)

FAMILIES = {
    "text": text.CASES,
    "traps": traps.CASES,
    "variables": variables.CASES,
    "keys": keys.CASES,
    "books": books.CASES,
    "amounts": amounts.CASES,
    "receivers": receivers.CASES,
    "sessions": sessions.CASES,
    "schedules": schedules.CASES,
    "calls": calls.CASES,
    "several": several.CASES,
    "odd": odd.CASES,
}
SOUND = sound.CASES
ENVIRONMENT = {"WHO": "alice", "EMPTY": "", "AMOUNT": "5 usdc", "HOME": "/root"}
