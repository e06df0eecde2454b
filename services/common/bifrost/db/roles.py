"""The database's login roles (database.md, "Roles"). None but the owner owns anything."""

from __future__ import annotations

#: Owns the schema; used by `bifrost db …` alone.
OWNER = "bifrost_owner"
#: One per service; each password is a file of this name in the secrets folder.
SERVICE_ROLES = (
    "bifrost_engine",
    "bifrost_pricer",
    "bifrost_monitor",
    "bifrost_copilot",
    "wl_writer",
    "wl_reader",
)
#: File of the operator's token, beside the passwords.
TOKEN = "token"
