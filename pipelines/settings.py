"""The environment, read in one place."""

import getpass
import os
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

PACKAGE_DIR = Path(__file__).resolve().parent


class Settings(BaseSettings):
    """Where the data, the rules and the project are, and the secrets."""

    model_config = SettingsConfigDict(env_prefix="C360_", env_ignore_empty=True, frozen=True)

    home: Path = Field(default=Path("data"), description="Root of all data of this installation.")
    rules_dir: Path | None = Field(
        default=None, description="A company's own rules; a file absent there is the packaged one."
    )
    project_dir: Path = Field(
        default=PACKAGE_DIR.parent, description="Folder that holds dbt_project/ and expectations/."
    )
    pseudonym_key: SecretStr = Field(
        default=SecretStr(""),
        description="Key of the customer ids; c360 keys rotate-pseudonyms goes over to another.",
    )
    former_pseudonym_key: SecretStr = Field(
        default=SecretStr(""),
        description="The key before, for c360 keys rotate-pseudonyms alone.",
    )
    encryption_keys: SecretStr = Field(
        default=SecretStr(""),
        description="Keys of what is encrypted at rest: name:key,name:key, the current one first.",
    )
    audit_key: SecretStr = Field(
        default=SecretStr(""),
        description="Key of the audit log; without it a change of the log cannot be proved.",
    )
    tableau: bool = Field(
        default=False,
        description="Also write the marts as marts.hyper; needs the extra `tableau`.",
    )

    @property
    def audit(self) -> bytes:
        """The key of the audit log, as bytes."""
        return self.audit_key.get_secret_value().encode()

    @property
    def pseudonym(self) -> bytes:
        """The key of the customer ids, as bytes."""
        return self.pseudonym_key.get_secret_value().encode()


def load_settings() -> Settings:
    """Read the settings from the environment; the home is absolute from here on."""
    settings = Settings()
    return settings.model_copy(update={"home": settings.home.expanduser().absolute()})


def current_user() -> str:
    """The account that runs a command: who answers for an act where nobody else is named."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may run under a number without a name
        return f"user {os.getuid()}"


def source_variable(name: str) -> tuple[str, str | None]:
    """The environment variable of a source's secrets, and what it holds."""
    variable = f"C360_SOURCE_{name.upper()}"
    return variable, read_variable(variable)


def read_variable(name: str) -> str | None:
    """What an environment variable holds; None if it is empty or not there."""
    return os.environ.get(name) or None
