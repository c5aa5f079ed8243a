"""The dashboard: pages for the person whose money it is.

Every page is whole without script and comes alive with it.
Nothing is loaded from anywhere else.
"""

from service.web.site import Dashboard, mount

__all__ = ["Dashboard", "mount"]
