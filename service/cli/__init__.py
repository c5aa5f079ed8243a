"""The command line, `order-ledger`.

Data goes to standard output, talk to standard error.
Exit codes: 0 ok, 1 failed, 2 usage, 3 config, 4 integrity, 5 venue, 6 lock held
by another writer, 130 interrupted.
"""

from service.cli.app import app, main

__all__ = ["app", "main"]
