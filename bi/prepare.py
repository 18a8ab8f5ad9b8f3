"""Makes the administrator, and brings Superset's assets to what is kept in `assets/`.

By Superset's own command for assets under source control: what was changed by hand in one of these
is as it was shipped again, and what was saved under another name is left alone.
"""

import os
from pathlib import Path

from superset.app import create_app

ASSETS = Path(__file__).resolve().parent / "assets"
ADMIN = "admin"


def main() -> None:
    """Make `admin` if there is none, and load every file of the bundle in that name."""
    with create_app().app_context():
        # These read the configuration, so they come after it.
        from superset import security_manager
        from superset.commands.importers.v1.assets import ImportAssetsCommand
        from superset.utils.core import override_user

        if security_manager.find_user(ADMIN) is None:
            password = Path(os.environ["SUPERSET_ADMIN_PASSWORD_FILE"]).read_text(encoding="utf-8")
            role = security_manager.find_role("Admin")
            email = "admin@localhost"
            security_manager.add_user(ADMIN, "Admin", "", email, role, password.strip())
        files = sorted(ASSETS.rglob("*.yaml"))
        contents = {str(f.relative_to(ASSETS)): f.read_text(encoding="utf-8") for f in files}
        with override_user(security_manager.find_user(ADMIN)):
            ImportAssetsCommand(contents).run()


if __name__ == "__main__":
    main()
