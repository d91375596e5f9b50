"""
The web side of the daemon: health, metrics, a JSON API, and pages for people.

It reads the ledger as the commands do, on connections of its own, and changes nothing but by
wishes like theirs. It runs in a thread with its own event loop: whatever a browser asks for, no
payment waits for it.
"""
