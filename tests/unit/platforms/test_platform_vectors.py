"""Each platform's spelling and digest, by our own vectors; and what other connectors get wrong."""

import hashlib

import polars as pl
import pytest

from pipelines.platforms import google_customer_match, meta, tencent, tiktok
from pipelines.platforms.files import PLATFORMS, header_of, platform_rows
from pipelines.platforms.hashing import hash_text, read_hash
from pipelines.platforms.values import letters_of_any_script, phone_in_digits

FIELDS = ("customer_id", "email", "phone", "first_name", "gender")
EMPTY = hashlib.sha256(b"").hexdigest()
# Computed with hashlib; a vendor's own examples are no vectors (TikTok's is of none of its rules).
VECTORS = {
    "cloudysanfrancisco@gmail.com": "223ebda6f6889b1494551ba902d9d381daf2f642bae055888e96343d53e9f9c4",  # noqa: E501
    "user.name+nyc@example.com": "f109a2a632fbcea5fc82049f50beed3d8621bf9034399f437fb622222acccdac",
    "janedoe@gmail.com": "d6117306485ed0e50afab3ac871e98f81699151f30281527d63ff5f233656c69",
    "+18005550100": "fb4f73a6ec5fdb7077d564cdd22c3554b43ce49168550c3b12c547b78c517b30",
    "18005550100": "92cfdc5fbcd4a20fbe5d3857af6c1aba31762105bba7f21a17155e920653046c",
    "16577770000": "8d7bdaaf75196f351d22942fc0dd79304ffabc3eaf3339460ef9da0773e3aec2",
}
MD5_13800138000 = "7945bd83237335e5376ff44d62e4f0ae"


def sheet(platform: str, *people: dict, country: str | None = None) -> list[tuple]:
    frame = pl.DataFrame([{"customer_id": "c1", **person} for person in people])
    return [cells for _, cells in platform_rows(frame, PLATFORMS[platform], country)]


def only(platform: str, country: str | None = None, **person) -> dict[str, str | None]:
    """The one row of a person, by header."""
    [row] = sheet(platform, person, country=country)
    header = header_of(PLATFORMS[platform], pl.DataFrame([person]))
    return dict(zip(header, row, strict=True))


@pytest.mark.parametrize(("text", "digest"), VECTORS.items())
def test_digests_are_those_of_hashlib(text, digest):
    assert hash_text(text, "sha256") == digest


@pytest.mark.parametrize(
    ("written", "matched"),
    [
        ("Cloudy.San Francisco+promo@Gmail.com ", "cloudysanfrancisco@gmail.com"),
        ("a.b.c.d@googlemail.com", "abcd@googlemail.com"),
        (" user.name+NYC@Example.com", "user.name+nyc@example.com"),
        ("jane.doe@gmailx.com", "jane.doe@gmailx.com"),
        ("jane.doe@mail.gmail.com", "jane.doe@mail.gmail.com"),
    ],
)
def test_google_knows_gmail_and_leaves_other_domains(written, matched):
    assert google_customer_match.spell_email(written) == matched


@pytest.mark.parametrize(
    ("written", "matched"),
    [("Mrs. Mary-Ann O'Neil", "mary-ann o'neil"), (" Robert  Jr. ", "robert"), ("Müller", "müller"),
     ("王", "王"), ("Drew", "drew")],
)  # fmt: skip
def test_google_names_lose_titles_and_keep_letters(written, matched):
    assert google_customer_match.spell_name(written) == matched


def test_google_keeps_the_plus_and_does_not_hash_country_and_zip():
    row = only(
        "google_customer_match",
        email="janedoe@gmail.com", phone="(800) 555-0100", country_code="US", postal_code=" 94105 ",
    )  # fmt: skip
    assert row == {
        "Email": VECTORS["janedoe@gmail.com"],
        "Phone": VECTORS["+18005550100"],
        "First Name": None,
        "Last Name": None,
        "Country": "US",
        "Zip": "94105",
    }


def test_meta_has_digits_only_and_no_rule_for_gmail():
    row = only("meta", email=" Jane.Doe@gmail.com", phone="+1 (800) 555-0100")
    assert row["phone"] == VECTORS["18005550100"]
    assert row["email"] == hash_text("jane.doe@gmail.com", "sha256")


@pytest.mark.parametrize(
    ("field", "header", "written", "matched"),
    [
        ("first_name", "fn", "José", "josé"),
        ("first_name", "fn", "Jose\u0301", "josé"),
        ("last_name", "ln", "O'Neil-Smith", "oneilsmith"),
        ("last_name", "ln", "王", "王"),
        ("city", "ct", "上海市", "上海市"),
        ("city", "ct", "São Paulo", "sãopaulo"),
        ("country_code", "country", "CN", "cn"),
    ],
)
def test_meta_keeps_letters_of_any_script(field, header, written, matched):
    row = only("meta", **{"email": "a@b.cn", field: written})
    assert row[header] == hash_text(matched, "sha256")


def test_meta_cuts_a_zip_of_the_united_states_only():
    cut = only("meta", email="a@b.cn", postal_code="94105-1234", country_code="US")
    kept = only("meta", email="a@b.cn", postal_code="SW1A 1AA", country_code="GB")
    assert cut["zip"] == hash_text("94105", "sha256")
    assert kept["zip"] == hash_text("sw1a1aa", "sha256")


def test_tiktok_is_given_both_spellings_its_pages_ask_for():
    [row] = sheet("tiktok", {"email": "jane.doe+a@gmail.com", "phone": "+1 657 777 0000"})
    assert row == (
        hash_text("jane.doe+a@gmail.com", "sha256"),
        hash_text("jane.doe@gmail.com", "sha256"),
        hash_text("+16577770000", "sha256"),
        VECTORS["16577770000"],
    )


def test_tencent_has_eleven_digits_one_a_line_and_one_digest_a_file():
    people = [
        {"phone": number} for number in ("+86 138 0013 8000", "138-0013-8000", "+18005550100")
    ]
    assert sheet("tencent_md5", *people, country="CN") == [(MD5_13800138000,)] * 2
    assert sheet("tencent", *people)[0] == (hash_text("13800138000", "sha256"),)
    assert tencent.spell_phone("010-6552 9988", None) is None  # a fixed line
    assert tencent.SHA256.ending == "txt"
    assert not tencent.SHA256.has_header


# --- What is hashed already, and what is nothing ----------------------------------------------


@pytest.mark.parametrize("platform", ["google_customer_match", "meta", "tiktok"])
def test_what_is_hashed_already_is_not_hashed_again(platform):
    digest = VECTORS["janedoe@gmail.com"]
    for written in (digest, f" {digest.upper()} "):
        assert digest in sheet(platform, {"email": written})[0]


def test_a_digest_of_another_kind_is_no_address():
    assert sheet("meta", {"email": MD5_13800138000}) == []
    assert read_hash(VECTORS["18005550100"], "md5") is None


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("nothing", [None, "", "  ", "@", "none", "+", "n/a", "anonymous"])
def test_nothing_has_no_digest_and_no_row(platform, nothing):
    people = pl.DataFrame(
        {name: [nothing] for name in FIELDS}, schema=dict.fromkeys(FIELDS, pl.String)
    )
    assert platform_rows(people, PLATFORMS[platform], "CN") == []
    assert hash_text(nothing or "", "sha256") != EMPTY


def test_an_empty_field_beside_an_address_is_an_empty_cell():
    row = only("meta", email="a@b.cn", first_name="", last_name=" - ", phone="12")
    assert (row["fn"], row["ln"], row["phone"]) == (None, None, None)


# --- Defects of other connectors, each of which would be ours ----------------------------------


def test_not_only_the_first_dot_of_a_gmail_address_goes():
    assert google_customer_match.spell_email("a.b.c@gmail.com") == "abc@gmail.com"


def test_a_domain_that_begins_like_gmail_is_not_gmail():
    assert google_customer_match.spell_email("a.b+c@gmail.company.com") == "a.b+c@gmail.company.com"


def test_a_trailing_space_does_not_hide_gmail():
    assert google_customer_match.spell_email("a.b@gmail.com \n") == "ab@gmail.com"


def test_names_are_put_in_small_letters_before_they_are_hashed():
    row = only("google_customer_match", email="a@b.cn", first_name=" JANE ")
    assert row["First Name"] == hash_text("jane", "sha256")


@pytest.mark.parametrize("platform", ["google_customer_match", "meta", "tiktok"])
def test_who_has_only_a_phone_keeps_a_row(platform):
    assert len(sheet(platform, {"email": None, "phone": "+18005550100"})) == 1


def test_dots_and_suffixes_of_other_domains_stay():
    first, _, *_ = sheet("tiktok", {"email": "a.b@example.com", "phone": None})[0]
    assert first == hash_text("a.b@example.com", "sha256")


def test_null_does_not_become_the_digest_of_nothing():
    cells = sheet("meta", {"email": "a@b.cn", "phone": None, "city": ""})[0]
    assert EMPTY not in cells


@pytest.mark.parametrize(("told", "spelt"), [("female", "f"), ("男", "m"), ("unknown", None),
                                             ("non-binary", None), ("X", None)])  # fmt: skip
def test_who_is_not_female_is_not_male_therefore(told, spelt):
    assert meta.spell_gender(told) == spelt


def test_chinese_and_accented_places_do_not_become_empty():
    assert letters_of_any_script("上海") == "上海"
    assert letters_of_any_script("Zürich") == "zürich"


def test_no_one_rule_serves_all_platforms():
    assert phone_in_digits("+18005550100", None) == "18005550100"  # Meta forbids the plus
    assert only("google_customer_match", phone="+18005550100")["Phone"] == VECTORS["+18005550100"]


def test_every_platform_says_when_and_where_its_rule_was_read():
    for platform in PLATFORMS.values():
        assert platform.rule_read_on.isoformat() == "2026-11-22"
        assert all(url.startswith("https://") for url in platform.sources)
    assert tiktok.PLATFORM.columns[0].header == tiktok.PLATFORM.columns[1].header
