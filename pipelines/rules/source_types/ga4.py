"""The schema of a `ga4` source: where the export lies, or which property is asked."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, HttpUrl, SecretStr, model_validator

from pipelines.rules.model import PROPERTY_ID, Source
from pipelines.rules.source_types.files import FilesSecrets, FolderPath


class Ga4Secrets(FilesSecrets):
    """The key of the export's bucket; or, for a property, the service account's key file.

    The file's content is given as Google hands it out; of it, these three are read.
    """

    client_email: str | None = None
    private_key: SecretStr | None = None
    private_key_id: str | None = None


class Ga4Source(Source):
    """Google Analytics 4: every event from the BigQuery export, or daily totals of a property."""

    secrets: ClassVar = Ga4Secrets

    type: Literal["ga4"]
    path: FolderPath | None = Field(
        default=None,
        description="Folder or bucket that holds the export, events_YYYYMMDD*.",
        examples=["/data/ga4"],
    )
    property_id: Annotated[str, Field(pattern=PROPERTY_ID, coerce_numbers_to_str=True)] | None = (
        Field(default=None, description="Instead of `path`: ask the Data API for daily totals.")
    )
    history_days: int = Field(default=400, ge=4, description="Older days are not read.")
    api_url: HttpUrl | None = Field(default=None, description="Instead of Google's.")
    login_url: HttpUrl | None = Field(default=None, description="Instead of Google's.")

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.path is None) == (self.property_id is None):
            raise ValueError("a ga4 source has either a path or a property_id")
        return self
