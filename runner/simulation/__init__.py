"""
`simulate`: the daemon of `bootstrap` under virtual time, on sandboxes in this process.

The same policies become the same contexts, and the same daemon drives the same code. Other than
in `up` are the loop, which jumps to the next thing to do, the ledger, which is in memory, and the
way of a request, which is a function call. Nothing is written to disk.

Source: SEMANTICS M12, M13.
"""
