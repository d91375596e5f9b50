"""
A wallet service on loopback: the Wallet API's protocol over a real EVM, with real rules.

    server.py → endpoint.py → sandbox.py → wallet, prepare, send, node, control
    → service → world → state → evm

It shares no wire code with our client, so that a misreading of the protocol shows.
"""
