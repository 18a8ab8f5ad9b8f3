"""Superset over the marts of the current release; the night needs nothing of it.

https://superset.apache.org/docs/configuration/configuring-superset
"""

import os
from pathlib import Path

HOME = Path(os.environ["SUPERSET_HOME"])
SECRET_KEY = Path(os.environ["SUPERSET_SECRET_KEY_FILE"]).read_text(encoding="utf-8").strip()
SQLALCHEMY_DATABASE_URI = f"sqlite:///{HOME}/superset.db"  # people and dashboards, no customer
# Superset calls embedded databases unsafe, as they read files. Ours is opened read-only and without
# a way to other files, by a configuration that is locked; only an administrator enters another.
PREVENT_UNSAFE_DB_CONNECTIONS = False
SESSION_COOKIE_SAMESITE = "Strict"
