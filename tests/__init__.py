"""Makes `tests` this folder: py-clob-client installs a package of the same name.

A folder without this file would lose to that one on import; the folders below need none.
"""
