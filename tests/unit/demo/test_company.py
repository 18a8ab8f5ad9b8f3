import gzip
import hashlib
import io
import json
from datetime import date
from pathlib import Path

import phonenumbers
import polars as pl
import pytest
import yaml

from pipelines.demo.company import SOURCES, sources_yaml, write_company
from pipelines.demo.mail import write_campaign_events
from pipelines.demo.people import draw_people
from pipelines.demo.world import CHUNK, KNOWN_BY, SPAN, plan_chunks

UNTIL = date(2026, 6, 30)
CUSTOMERS = 1200

NEVER_NULL = {
    "crm_contacts": ["id"],
    "crm_accounts": ["name"],
    "crm_activities": ["activity_type"],
    "crm_cases": ["status", "opened_at"],
    "crm_deals": ["stage"],
    "orders": ["status", "currency", "total_amount", "ordered_at"],
    "order_items": ["order_source_id", "quantity"],
    "refunds": ["amount", "currency"],
    "web_events": ["grain", "event_name", "event_at", "event_count"],
    "social_engagements": [
        "platform",
        "own_account_id",
        "grain",
        "engagement_type",
        "metric_value",
        "engaged_at",
    ],
    "survey_answers": ["survey_id", "response_id", "question_id", "responded_at"],
    "campaign_events": ["campaign_id", "recipient_key", "event_type", "event_at"],
    "consents": [
        "subject_key_type",
        "subject_key",
        "purpose",
        "channel",
        "status",
        "effective_at",
    ],
    "loyalty_entries": ["program_id", "member_id", "entry_type", "occurred_at"],
    "referrals": ["referrer_key", "referee_key", "status"],
    "service_costs": ["cost_type", "amount", "currency", "allocation_method", "incurred_at"],
    "identity_links": ["id_type_a", "id_a", "id_type_b", "id_b", "observed_at"],
    "fx_rates": ["currency", "base_currency", "rate", "rate_date"],
    "products": ["name", "unit_price", "is_active"],
}

REFERENCES = (
    ("shop", "orders", "customer_source_id", "shop", "crm_contacts"),
    ("shop", "order_items", "order_source_id", "shop", "orders"),
    ("shop", "order_items", "product_id", "shop", "products"),
    ("shop", "refunds", "order_source_id", "shop", "orders"),
    ("shop", "refunds", "customer_source_id", "shop", "crm_contacts"),
    ("shop", "refunds", "order_item_source_id", "shop", "order_items"),
    ("shop", "loyalty_entries", "contact_source_id", "shop", "crm_contacts"),
    ("shop", "loyalty_entries", "order_source_id", "shop", "orders"),
    ("shop", "referrals", "referrer_contact_source_id", "shop", "crm_contacts"),
    ("shop", "referrals", "referee_contact_source_id", "shop", "crm_contacts"),
    ("shop", "referrals", "order_source_id", "shop", "orders"),
    ("crm", "crm_contacts", "account_source_id", "crm", "crm_accounts"),
    ("crm", "crm_contacts", "referrer_source_id", "crm", "crm_contacts"),
    ("crm", "crm_contacts", "merged_into_id", "crm", "crm_contacts"),
    ("crm", "crm_accounts", "parent_account_source_id", "crm", "crm_accounts"),
    ("crm", "crm_activities", "contact_source_id", "crm", "crm_contacts"),
    ("crm", "crm_activities", "account_source_id", "crm", "crm_accounts"),
    ("crm", "crm_cases", "contact_source_id", "crm", "crm_contacts"),
    ("crm", "crm_deals", "account_source_id", "crm", "crm_accounts"),
    ("crm", "orders", "account_source_id", "crm", "crm_accounts"),
    ("crm", "consents", "contact_source_id", "crm", "crm_contacts"),
    ("crm", "service_costs", "contact_source_id", "crm", "crm_contacts"),
    ("crm", "service_costs", "account_source_id", "crm", "crm_accounts"),
    ("crm", "service_costs", "case_source_id", "crm", "crm_cases"),
    ("crm", "service_costs", "campaign_id", "mail", "campaign_events:campaign_id"),
    ("web", "web_events", "transaction_id", "shop", "orders"),
)


def read_text_part(path: Path) -> pl.DataFrame:
    data = path.read_bytes()
    data = gzip.decompress(data) if path.suffix == ".gz" else data
    text = data.decode("gb18030" if path.name.startswith("crm_accounts") else "utf-8-sig")
    if ".jsonl" in path.name:
        rows = [json.loads(line) for line in text.splitlines()]
        return pl.DataFrame(
            {k: [None if r[k] is None else str(r[k]) for r in rows] for k in rows[0]}
        )
    return pl.read_csv(io.BytesIO(text.encode()), infer_schema=False)


def read_table(root: Path, source: str, table: str, *, faulty: bool = False) -> pl.DataFrame:
    parts = []
    for path in sorted((root / "drop" / source).glob(f"{table}-*")):
        if path.suffix == ".parquet":
            parts.append(pl.read_parquet(path))
        elif faulty or not path.name.endswith("-manual.csv"):
            frame = read_text_part(path)
            if not faulty:
                frame = frame.filter(~pl.col("id").str.ends_with("-x"))
            parts.append(frame)
    if len({tuple(p.schema.items()) for p in parts}) > 1:
        parts = [
            p.with_columns(pl.col(pl.List(pl.String)).list.join(",")).cast(pl.String) for p in parts
        ]
    return pl.concat(parts, how="diagonal") if parts else pl.DataFrame({"id": []})


def newest(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.unique("id", keep="last", maintain_order=True).sort("id")


def hash_tree(root: Path) -> dict[str, str]:
    return {
        str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(root.rglob("*"))
        if p.is_file()
    }


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    root = tmp_path_factory.mktemp("company")
    return root, write_company(root, customers=CUSTOMERS, seed=11, until=UNTIL)


def test_a_repeat_call_writes_the_same_bytes(company, tmp_path):
    root, summary = company
    again = write_company(tmp_path, customers=CUSTOMERS, seed=11, until=UNTIL)
    assert hash_tree(tmp_path) == hash_tree(root)
    assert again == summary


def test_another_seed_makes_another_company(company, tmp_path):
    root, _ = company
    write_company(tmp_path, customers=CUSTOMERS, seed=12, until=UNTIL)
    one, other = read_table(root, "shop", "orders"), read_table(tmp_path, "shop", "orders")
    assert one.height != other.height
    assert not set(one["ordered_at"]) & set(other["ordered_at"].head(200))


def test_customers_is_the_number_of_persons_known_by_the_default_date(company):
    root, summary = company
    truth = pl.read_parquet(root / "truth" / "customers.parquet")
    assert summary.persons == CUSTOMERS
    assert truth.filter(kind="person").height == CUSTOMERS
    assert truth["acquired_on"].max() <= UNTIL
    assert truth["person_id"].is_unique().all()


def test_later_days_bring_new_persons_at_the_same_pace(tmp_path):
    summary = write_company(tmp_path, customers=CUSTOMERS, seed=11, until=date(2027, 6, 30))
    assert 1.15 < summary.persons / CUSTOMERS < 1.35


@pytest.mark.parametrize("source", SOURCES)
def test_days_written_one_by_one_say_the_same_as_one_call(tmp_path, source):
    one, daily = tmp_path / "one", tmp_path / "daily"
    days = [date(2026, 6, 25), date(2026, 6, 29), date(2026, 6, 30), date(2026, 7, 1)]
    write_company(one, customers=400, seed=3, until=days[-1])
    after = None
    for day in days:
        write_company(daily, customers=400, seed=3, until=day, after=after)
        after = day
    tables = {p.name.split("-")[0] for p in (one / "drop" / source).iterdir()}
    for table in tables:
        assert newest(read_table(daily, source, table)).equals(
            newest(read_table(one, source, table))
        ), table
    for name in ("people", "customers"):
        theirs = pl.read_parquet(daily / "truth" / f"{name}.parquet")
        assert theirs.equals(pl.read_parquet(one / "truth" / f"{name}.parquet"))


def test_a_delta_holds_only_what_happened_in_its_window(tmp_path):
    write_company(tmp_path, customers=600, seed=3, until=UNTIL, after=date(2026, 6, 20))
    orders = read_table(tmp_path, "shop", "orders")
    told = pl.coalesce("cancelled_at", "ordered_at").dt.convert_time_zone("Asia/Shanghai").dt.date()
    days = orders.select(told).to_series()
    assert days.min() > date(2026, 6, 20)
    assert days.max() <= UNTIL
    assert not list((tmp_path / "drop").rglob("crm_deals-*2025*"))


@pytest.mark.parametrize(("source", "table", "column", "other", "target"), REFERENCES)
def test_every_reference_resolves(company, source, table, column, other, target):
    root, _ = company
    name, _, key = target.partition(":")
    known = read_table(root, other, name)[key or "id"]
    told = read_table(root, source, table)[column].drop_nulls()
    if table != "referrals":
        assert told.len() > 0
    assert set(told) <= set(known)


def test_engagements_and_links_name_known_people(company):
    root, _ = company
    crm, wecom = read_table(root, "crm", "crm_contacts"), read_table(root, "social", "crm_contacts")
    social = read_table(root, "social", "social_engagements").filter(grain="event")
    assert set(crm["social_handle"].drop_nulls()) & set(social["actor_handle"].drop_nulls())
    chats = social.filter(platform="wecom")["actor_platform_id"]
    assert set(chats) <= set(wecom["external_userid"])
    links = read_table(root, "web", "identity_links")
    users = read_table(root, "web", "web_events")["user_id"].drop_nulls()
    assert set(users) & set(links.filter(id_type_a="user_id")["id_a"])


def test_good_rows_are_complete(company):
    root, summary = company
    for name in summary.rows:
        source, table = name.split(".")
        frame = read_table(root, source, table)
        for column in ("id", *NEVER_NULL[table]):
            assert frame[column].null_count() == 0, (name, column)
    refunds = read_table(root, "shop", "refunds")
    assert refunds.filter(
        pl.col("order_source_id").is_null() & pl.col("customer_source_id").is_null()
    ).is_empty()


def test_truth_names_the_person_behind_every_record(company):
    root, _ = company
    truth = pl.read_parquet(root / "truth" / "people.parquet")
    persons = set(pl.read_parquet(root / "truth" / "customers.parquet")["person_id"])
    assert set(truth["person_id"]) <= persons
    for source, table in (
        ("crm", "crm_contacts"),
        ("crm", "crm_accounts"),
        ("shop", "crm_contacts"),
        ("social", "crm_contacts"),
    ):
        records = set(read_table(root, source, table)["id"])
        assert set(truth.filter(source=source, table=table)["source_record_id"]) == records
    guests = read_table(root, "shop", "orders").filter(pl.col("customer_source_id").is_null())
    assert set(truth.filter(table="orders")["source_record_id"]) == set(guests["id"])
    assert truth.select("source", "table", "source_record_id").is_unique().all()
    assert guests.filter(
        pl.col("customer_email").is_null() & pl.col("customer_phone").is_null()
    ).is_empty()


def test_people_are_in_several_systems_and_doubled_in_the_crm(company):
    root, _ = company
    truth = pl.read_parquet(root / "truth" / "people.parquet")
    crm = truth.filter(source="crm", table="crm_contacts")
    each = crm.group_by("person_id").len()["len"]
    assert 0.5 < each.len() / CUSTOMERS < 0.7
    assert 0.08 < (each > 1).mean() < 0.2
    shop = truth.filter(source="shop", table="crm_contacts")["person_id"]
    assert shop.len() / CUSTOMERS > 0.8
    assert len(set(shop) & set(crm["person_id"])) > 0.4 * CUSTOMERS


def test_orders_look_like_those_of_a_shop(company):
    root, _ = company
    orders = read_table(root, "shop", "orders")
    truth = pl.read_parquet(root / "truth" / "customers.parquet").filter(kind="person")
    counts = truth["orders_so_far"]
    assert 0.05 < orders["customer_source_id"].is_null().mean() < 0.12
    assert 0.38 < (counts == 1).sum() / (counts > 0).sum() < 0.52
    assert 0.07 < (counts == 0).mean() < 0.16
    assert 3.2 < counts.filter(counts > 0).mean() < 5.5
    done = orders.filter(pl.col("status") == "completed", ~pl.col("is_test"))
    assert done.height == counts.sum()
    assert (
        0.03
        < read_table(root, "shop", "refunds")["order_source_id"].n_unique() / done.height
        < 0.07
    )
    paid = done.filter(pl.col("cost_amount").is_not_null(), currency="CNY")
    margin = (
        1 - paid["cost_amount"].sum() / (paid["subtotal_amount"] - paid["discount_amount"]).sum()
    )
    assert 0.3 < float(margin) < 0.42
    assert set(orders["status"]) == {"completed", "cancelled", "pending"}
    gone = truth.filter(pl.col("dropped_out_on") < UNTIL)
    assert 0.25 < gone.height / truth.height < 0.6
    long_gone = truth.filter(pl.col("dropped_out_on") < date(2026, 6, 1))
    assert long_gone["orders_next_365d"].sum() == 0


def test_sales_are_seasonal(company):
    root, _ = company
    days = read_table(root, "shop", "orders")["ordered_at"].dt.convert_time_zone("Asia/Shanghai")
    november = ((days.dt.month() == 11) & (days.dt.day() <= 11) & (days.dt.year() < 2026)).sum()
    quiet = ((days.dt.month() == 3) & (days.dt.day() <= 11) & (days.dt.year() < 2026)).sum()
    assert november > 1.4 * quiet


def test_members_look_around_more_often_than_they_buy(company):
    root, _ = company
    events = read_table(root, "web", "web_events").filter(pl.col("user_id").is_not_null())
    visits = events.group_by("session_id").agg(buys=(pl.col("event_name") == "purchase").any())
    buying = visits["buys"].sum()
    assert 5 < (visits.height - buying) / buying < 14


def test_who_buys_often_opens_more_mail():
    chunk = plan_chunks(3_000)[0]
    people = draw_people(11, chunk)
    mails = write_campaign_events(people, 11, chunk, (0, SPAN)).filter(~pl.col("is_machine"))
    was = pl.col("event_type")
    opened = mails.group_by("email").agg(share=(was == "open").sum() / (was == "sent").sum())
    known = opened.join(people.filter(pl.col("ends") > SPAN), on="email")
    often = known.filter(pl.col("rate") > known["rate"].median())["share"].mean()
    rarely = known.filter(pl.col("rate") <= known["rate"].median())["share"].mean()
    assert often > 1.5 * rarely


def test_money_adds_up(company):
    root, _ = company
    orders, items = read_table(root, "shop", "orders"), read_table(root, "shop", "order_items")
    expected = (
        pl.col("subtotal_amount")
        - pl.col("discount_amount")
        + pl.col("shipping_amount")
        + pl.col("tax_amount")
    )
    assert orders.select((pl.col("total_amount") == expected).all()).item()
    sums = items.group_by("order_source_id").agg(pl.col("line_total").sum())
    both = orders.join(sums, left_on="id", right_on="order_source_id", how="left")
    assert both.select(
        (pl.col("subtotal_amount") - pl.col("discount_amount") == pl.col("line_total")).all()
    ).item()
    assert orders.schema["total_amount"] == pl.Decimal(18, 4)
    assert orders.schema["ordered_at"] == pl.Datetime("us", "UTC")


def test_the_points_ledger_balances(company):
    root, _ = company
    ledger = read_table(root, "shop", "loyalty_entries").with_columns(
        run=pl.col("points_delta").cum_sum().over("member_id")
    )
    assert ledger["balance_after"].min() >= 0
    assert (ledger["run"] == ledger["balance_after"]).all()
    orders = read_table(root, "shop", "orders")
    assert orders["points_earned"].sum() == ledger.filter(entry_type="earn")["points_delta"].sum()
    assert (
        orders["points_redeemed"].sum() == -ledger.filter(entry_type="redeem")["points_delta"].sum()
    )


def test_faulty_rows_are_those_that_the_truth_counts(company):
    root, summary = company
    truth = pl.read_parquet(root / "truth" / "dirty_rows.parquet")
    wrong = truth.filter("is_rejected")
    assert wrong["count"].sum() == summary.faulty_rows
    assert truth.filter(~pl.col("is_rejected"))["count"].sum() == summary.repeated_rows
    for (source, table), rows in wrong.group_by("source", "table"):
        frame = read_table(root, source, table, faulty=True)
        marked = pl.col("id").is_null() | pl.col("id").str.ends_with("-x")
        assert frame.filter(marked).height == rows["count"].sum(), (source, table)
    for path in (root / "drop").rglob("*"):
        if path.is_file() and not path.name.endswith(".parquet"):
            told = truth.filter(source=path.parent.name, file=path.name)
            rows = read_text_part(path)
            good = 0 if path.name.endswith("-manual.csv") else rows.height - told["count"].sum()
            assert rows.height == good + told["count"].sum()
            repeated = told.filter(~pl.col("is_rejected"))["count"].sum()
            assert rows.height - rows.unique().height == repeated, path.name


def test_each_kind_of_fault_occurs_and_stays_rare(tmp_path):
    summary = write_company(tmp_path, customers=4000, seed=5, until=UNTIL)
    kinds = set(pl.read_parquet(tmp_path / "truth" / "dirty_rows.parquet")["kind"])
    assert kinds == {
        "bad_date",
        "bad_number",
        "bad_currency",
        "bad_enum",
        "missing_value",
        "no_subject",
        "nul_byte",
        "repeated_row",
    }
    assert 0.003 < summary.faulty_rows / sum(summary.rows.values()) < 0.005


def test_a_common_address_and_number_stand_on_many_contacts(tmp_path):
    write_company(tmp_path, customers=4000, seed=5, until=UNTIL)
    crm = read_table(tmp_path, "crm", "crm_contacts")
    assert crm.filter(email="info@example.cn").height >= 3
    assert crm.filter(mobile="00000000000").height >= 3


def test_addresses_are_reserved_and_numbers_valid(company):
    root, _ = company
    shop = read_table(root, "shop", "crm_contacts")
    domains = shop["email"].drop_nulls().str.to_lowercase().str.extract(r"@(.*)$")
    assert domains.str.contains(r"(^|\.)example\.(com|cn|org)$").all()
    links = read_table(root, "web", "identity_links").filter(id_type_b="phone")["id_b"]
    assert all(phonenumbers.is_valid_number(phonenumbers.parse(n)) for n in links.head(150))


def test_text_files_have_the_encodings_of_their_systems(company):
    root, _ = company
    crm = root / "drop" / "crm"
    assert next(crm.glob("crm_contacts-*")).read_bytes().startswith(b"\xef\xbb\xbf")
    with pytest.raises(UnicodeDecodeError):
        next(crm.glob("crm_accounts-*")).read_text("utf-8")
    assert "有限公司" in next(crm.glob("crm_accounts-*")).read_text("gb18030")
    contacts = read_text_part(next(crm.glob("crm_contacts-*")))
    assert contacts.filter(pl.col("tags").str.starts_with('["')).height > 0
    assert contacts["source_created_at"].str.ends_with("Z").all()
    assert contacts["id"].drop_nulls().str.contains(r"^\d{19}(-x)?$").all()


def test_consents_are_given_refused_and_taken_back(company):
    root, _ = company
    consents = read_table(root, "crm", "consents")
    assert set(consents["status"]) == {"granted", "denied", "withdrawn"}
    assert set(consents["subject_key_type"]) == {"contact_id", "email", "phone"}
    purposes = {"marketing", "service", "survey", "profiling", "ads_matching"}
    assert set(consents["purpose"]) == purposes
    taken = consents.filter(status="withdrawn")
    granted = consents.filter(status="granted")
    keys = ["subject_key", "purpose", "channel"]
    assert taken.join(granted, on=keys, how="anti").is_empty()


def test_sources_yaml_lists_every_folder(company):
    root, _ = company
    text = sources_yaml(root)
    told = yaml.safe_load(text)
    assert told["base_currency"] == "CNY"
    assert told["time_zone"] == "Asia/Shanghai"
    assert [s["name"] for s in told["sources"]] == list(SOURCES)
    for source in told["sources"]:
        assert source["type"] == "files"
        assert Path(source["path"]).is_dir()


def test_chunks_cover_the_population_once():
    chunks = plan_chunks(50_000)
    numbers = [n for c in chunks for n in range(c.first, c.first + c.size)]
    assert numbers == list(range(68_000))
    assert all(c.size <= CHUNK for c in chunks)
    assert [c.late for c in chunks] == [False] * 3 + [True]


def test_a_company_of_several_chunks_keeps_its_ids_apart(tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.demo.world.CHUNK", 150)
    told = []
    write_company(
        tmp_path, customers=400, seed=2, until=UNTIL, progress=lambda *done: told.append(done)
    )
    assert told == [(1, 3), (2, 3), (3, 3)]
    for source, table in (("shop", "orders"), ("web", "web_events"), ("crm", "consents")):
        assert read_table(tmp_path, source, table)["id"].is_unique().all()
    contacts = read_table(tmp_path, "shop", "crm_contacts")
    assert contacts["id"].is_unique().all()


def test_one_customer_is_a_company_too(tmp_path):
    assert write_company(tmp_path, customers=1, seed=1, until=UNTIL).persons == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"customers": 0}, "at least one customer"),
        ({"until": date(2030, 1, 1)}, "outside"),
        ({"after": UNTIL}, "nothing after"),
    ],
)
def test_impossible_requests_are_refused_in_words(tmp_path, wrong, message):
    request = {"customers": 10, "seed": 1, "until": KNOWN_BY} | wrong
    with pytest.raises(ValueError, match=message):
        write_company(tmp_path, **request)
