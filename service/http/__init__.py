"""The command API over HTTP: intents in, orders and their fate out.

`create_app` builds the application around a running ledger; `service.http.server`
listens.
"""

from service.http.app import create_app

__all__ = ["create_app"]
