"""HTTP for every role: who may talk to it, how much and how long, and the pages that all of them have."""

from zerog.runtime.http.guard import AccessRules, Guard, is_loopback_name
from zerog.runtime.http.limits import BULK_LIMITS, HttpLimits
from zerog.runtime.http.pages import Page, RolePages

__all__ = ["BULK_LIMITS", "AccessRules", "Guard", "HttpLimits", "Page", "RolePages", "is_loopback_name"]
