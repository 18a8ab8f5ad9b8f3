"""Import files of Mailchimp, HubSpot and Zoho CRM: plain values, each tool's dates and sizes.

Rules as read on 2026-11-22. Mailchimp (mailchimp.com/help/format-guidelines-for-your-import-file):
UTF-8, only the address is required, texts up to 255 bytes, dates YYYY-MM-DD. HubSpot
(knowledge.hubspot.com/import-and-export/set-up-your-import-file): a header, UTF-8, the address or
the record's id is the key, up to 1,048,576 rows a file and 20 MB on a free account. Zoho CRM
(zoho.com/crm/developer/docs/api/bulk-write/limitations.html): headers are API names, up to 25,000
records a file.

The list's own columns follow; text that a spreadsheet would run is disarmed, since people do open
these files.
"""

from datetime import date

from pipelines.platforms.layout import Column, Platform
from pipelines.platforms.values import as_it_is, email_without_spaces, phone_with_plus

RULE_READ_ON = date(2026, 11, 22)

MAILCHIMP = Platform(
    name="mailchimp_import",
    label="Mailchimp import",
    columns=(
        Column("Email Address", "email", email_without_spaces),
        Column("First Name", "first_name", as_it_is),
        Column("Last Name", "last_name", as_it_is),
    ),
    rule_read_on=RULE_READ_ON,
    sources=("https://mailchimp.com/help/format-guidelines-for-your-import-file/",),
    needs=("email",),
    is_advertising=False,
    own_columns=True,
    most_bytes_of_text=255,
)
HUBSPOT = Platform(
    name="hubspot_import",
    label="HubSpot import",
    columns=(
        Column("Email", "email", email_without_spaces),
        Column("Phone Number", "phone", phone_with_plus),
        Column("First Name", "first_name", as_it_is),
        Column("Last Name", "last_name", as_it_is),
    ),
    rule_read_on=RULE_READ_ON,
    sources=("https://knowledge.hubspot.com/import-and-export/set-up-your-import-file",),
    needs=("email",),
    is_advertising=False,
    most_rows=50_000,  # some 20 MB, whatever the account
    own_columns=True,
)
ZOHO = Platform(
    name="zoho_import",
    label="Zoho CRM import",
    columns=(
        Column("Email", "email", email_without_spaces),
        Column("Phone", "phone", phone_with_plus),
        Column("First_Name", "first_name", as_it_is),
        Column("Last_Name", "last_name", as_it_is),
    ),
    rule_read_on=RULE_READ_ON,
    sources=("https://zoho.com/crm/developer/docs/api/bulk-write/limitations.html",),
    is_advertising=False,
    most_rows=25_000,
    own_columns=True,
)
