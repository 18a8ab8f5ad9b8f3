"""Which identifiers tie records, and which of their carriers they tie.

A phone number or an e-mail address is often a family's or an office's. So a value ties only those
of its carriers whom nothing says to be different people; the others form groups of their own.
"""

from collections import defaultdict

import polars as pl

from pipelines.identity.conflicts import find_conflicts
from pipelines.identity.normalise import normalise_identifiers
from pipelines.rules.identity import BlockedValue, Identity

IDENTIFIER = ["id_type", "value"]
RAW = ["id_type", "raw_value", "country_code"]
# A person and an organisation that have a number in common have nothing in common.
SHARED = [*IDENTIFIER, "party"]
# What tells people apart who share a value.
PERSONA = [
    "party", "given_key", "family_key", "han_name", "name_suffix", "company_key", "birth_date",
    "gender",
]  # fmt: skip
NAMING = [name for name in PERSONA if name not in ("party", "gender")]
NAMELESS = -1
# Records count before their names are compared: so many times the limit of people is a crowd.
RECORDS_PER_PERSON = 10


def judge_identifiers(
    carried: pl.DataFrame,
    mentioned: pl.DataFrame,
    records: pl.DataFrame,
    identity: Identity,
    blocked: tuple[BlockedValue, ...],
) -> pl.DataFrame:
    """Say of every identifier as written what it is compared as, and whether it ties records.

    Args:
        carried: node, id_type, raw_value, country_code: what records carry.
        mentioned: id_type, raw_value, country_code: what ties and touches name.
        records: node, entity.
        identity: limits and blocked values.
        blocked: more blocked values, as stewards decided.

    Returns:
        RAW, value and status (links, invalid, blocked, too_common); one row for each as written.
    """
    written = pl.concat([carried.select(RAW), mentioned.select(RAW)]).unique()
    compared = normalise_identifiers(written, identity.default_country)
    never = _blocked_values(identity, blocked).with_columns(pl.lit(True).alias("is_blocked"))
    limits = pl.DataFrame(
        [
            (kind, signal.max_people, signal.max_guest_orders)
            for kind, signal in identity.signals.items()
        ],
        schema={"id_type": pl.String, "max_people": pl.Int64, "max_guest_orders": pl.Int64},
        orient="row",
    )
    is_guest = pl.col("entity") == "guest_order"
    shared = (
        carried.join(compared, on=RAW)
        .unique(["node", *IDENTIFIER])
        .join(records.select("node", "entity"), on="node")
        .group_by(IDENTIFIER)
        .agg((~is_guest).sum().alias("accounts"), is_guest.sum().alias("guest_orders"))
    )
    too_common = (pl.col("accounts") > pl.col("max_people") * RECORDS_PER_PERSON) | (
        pl.col("guest_orders") > pl.col("max_guest_orders")
    )
    return (
        compared.join(shared, on=IDENTIFIER, how="left")
        .join(limits, on="id_type", how="left")
        .join(never, on=IDENTIFIER, how="left")
        .with_columns(
            pl.when(pl.col("value").is_null())
            .then(pl.lit("invalid"))
            .when(pl.col("is_blocked"))
            .then(pl.lit("blocked"))
            .when(too_common.fill_null(False))
            .then(pl.lit("too_common"))
            .otherwise(pl.lit("links"))
            .alias("status")
        )
        .select(*RAW, "value", "status")
    )


def _blocked_values(identity: Identity, more: tuple[BlockedValue, ...]) -> pl.DataFrame:
    told = {(kind, value, "") for kind, values in identity.blocked.items() for value in values}
    told |= {(entry.id_type, entry.value, "") for entry in more}
    written = pl.DataFrame(sorted(told), schema=dict.fromkeys(RAW, pl.String), orient="row")
    compared = normalise_identifiers(written, identity.default_country)
    return compared.select(IDENTIFIER).drop_nulls().unique()


def number_personas(profiles: pl.DataFrame) -> pl.DataFrame:
    """Equal names and birth dates are one persona: node, persona, PERSONA.

    Records that tell no name and no birth date are not in it.

    Args:
        profiles: node and PERSONA.
    """
    told = profiles.filter(pl.any_horizontal(pl.col(name).is_not_null() for name in NAMING)).select(
        "node", *PERSONA
    )
    distinct = told.select(PERSONA).unique().sort(PERSONA).with_row_index("persona")
    return told.join(distinct, on=PERSONA, nulls_equal=True)


def group_carriers(
    carried: pl.DataFrame, personas: pl.DataFrame, shareable: list[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part the carriers of each value into groups of whom nothing says that they are different.

    Args:
        carried: node, id_type, value, party; one row for each record and value.
        personas: as `number_personas` gives them.
        shareable: types of identifier that several people may use.

    Returns:
        `carried` with persona and `group`, 0 where there is no conflict; and the conflicts:
        SHARED, persona_a, persona_b, conflict.
    """
    known = carried.join(personas.select("node", "persona"), on="node", how="left")
    seen = (
        known.filter(pl.col("id_type").is_in(shareable), pl.col("persona").is_not_null())
        .select(*SHARED, "persona")
        .unique()
        .filter(pl.len().over(SHARED) > 1)
    )
    pairs = (
        seen.join(seen, on=SHARED, suffix="_b")
        .filter(pl.col("persona") < pl.col("persona_b"))
        .rename({"persona": "persona_a"})
    )
    conflicts = judge_pairs(pairs, personas).sort(*SHARED, "persona_a", "persona_b")
    groups = _group_personas(seen, conflicts, _fullest_first(personas.unique("persona")))
    is_torn = pl.col("group").max().over(SHARED) > 0
    grouped = known.join(groups, on=[*SHARED, "persona"], how="left").with_columns(
        # Who has no name is of one's own where the value is several people's.
        pl.when(pl.col("persona").is_null() & is_torn)
        .then(pl.lit(NAMELESS))
        .otherwise(pl.col("group").fill_null(0))
        .cast(pl.Int64)
        .alias("group")
    )
    return grouped, conflicts


def find_crowded(carried: pl.DataFrame, records: pl.DataFrame, identity: Identity) -> pl.DataFrame:
    """Values that too many people share, however many records each has: id_type, value.

    Of those who have no name, one source may know a person from many places; the source that has
    most of them tells how many there are.

    Args:
        carried: as `group_carriers` gives them.
        records: node and RECORD; guest orders count by a limit of their own.
        identity: the limits.
    """
    most = {kind: signal.max_people for kind, signal in identity.signals.items()}
    nameless = pl.col("persona").is_null()
    counted = (
        records.filter(pl.col("entity") != "guest_order")
        .select("node", "source", "source_account_id")
        .join(carried, on="node")
    )
    known = (
        counted.filter(~nameless).group_by(IDENTIFIER).agg(pl.struct("party", "group").n_unique())
    )
    unknown = (
        counted.filter(nameless)
        .group_by(*IDENTIFIER, "source", "source_account_id")
        .len()
        .group_by(IDENTIFIER)
        .agg(pl.col("len").max())
    )
    return (
        pl.concat([known.rename({"party": "people"}), unknown.rename({"len": "people"})])
        .group_by(IDENTIFIER)
        .agg(pl.col("people").sum())
        .filter(pl.col("people") > pl.col("id_type").replace_strict(most))
        .select(IDENTIFIER)
    )


def mark_crowded(identifiers: pl.DataFrame, crowded: pl.DataFrame) -> pl.DataFrame:
    """Say of identifiers that too many people share that they are too common."""
    marked = crowded.with_columns(pl.lit("too_common").alias("verdict"))
    return (
        identifiers.join(marked, on=IDENTIFIER, how="left")
        .with_columns(pl.coalesce("verdict", "status").alias("status"))
        .drop("verdict")
    )


def forget_untying(
    profiles: pl.DataFrame, carried: pl.DataFrame, identifiers: pl.DataFrame
) -> pl.DataFrame:
    """The profiles without the blocked and too common values: those make nobody look alike.

    Args:
        profiles: node, email, phone, domain as written, and more.
        carried: node, RAW: what records carry.
        identifiers: RAW, status.
    """
    untying = identifiers.filter(pl.col("status").is_in(["blocked", "too_common"]))
    refused = carried.join(untying, on=RAW)
    for kind in ("email", "phone", "domain"):
        of_kind = refused.filter(pl.col("id_type") == kind).select(
            "node", pl.col("raw_value").alias(kind), pl.lit(True).alias("is_refused")
        )
        profiles = (
            profiles.join(of_kind.unique(), on=["node", kind], how="left", maintain_order="left")
            .with_columns(pl.when(pl.col("is_refused").is_null()).then(pl.col(kind)).alias(kind))
            .drop("is_refused")
        )
    return profiles


def judge_pairs(
    pairs: pl.DataFrame, personas: pl.DataFrame, *, is_direct: bool = True
) -> pl.DataFrame:
    """Keep the pairs of personas that cannot be one person, and say why in `conflict`.

    Args:
        pairs: persona_a, persona_b, and what else the caller wants back.
        personas: as `number_personas` gives them.
        is_direct: whether something ties the two themselves, or others lead from one to the other.
    """
    distinct = pairs.select("persona_a", "persona_b").unique().sort("persona_a", "persona_b")
    told = personas.unique("persona").select("persona", *PERSONA)
    sides = distinct
    for side in ("a", "b"):
        sides = sides.join(
            told.select(pl.all().name.suffix(f"_{side}")),
            on=f"persona_{side}",
            maintain_order="left",
        )
    judged = distinct.with_columns(find_conflicts(sides, is_direct=is_direct).alias("conflict"))
    return pairs.join(judged.drop_nulls("conflict"), on=["persona_a", "persona_b"])


def _fullest_first(apart: pl.DataFrame) -> dict[int, int]:
    """A rank for each persona: those who say most of themselves come first."""
    said = pl.sum_horizontal(pl.col(name).is_not_null().cast(pl.Int64) for name in PERSONA)
    length = pl.sum_horizontal(
        pl.col(name).str.len_chars().fill_null(0) for name in ("given_key", "family_key")
    )
    ranked = apart.with_columns(said.alias("said"), length.alias("length")).sort(
        "said", "length", "persona", descending=[True, True, False]
    )
    return {persona: rank for rank, persona in enumerate(ranked["persona"].to_list())}


def _group_personas(
    seen: pl.DataFrame, conflicts: pl.DataFrame, rank: dict[int, int]
) -> pl.DataFrame:
    """Groups for the values that know a conflict; a persona that fits several is of its own."""
    torn = seen.join(conflicts.select(SHARED).unique(), on=SHARED, how="semi")
    enemies: dict[tuple[str, ...], dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    for *value, a, b in conflicts.select(*SHARED, "persona_a", "persona_b").iter_rows():
        enemies[tuple(value)][a].add(b)
        enemies[tuple(value)][b].add(a)
    rows = []
    carriers = torn.group_by(SHARED).agg(pl.col("persona").sort()).sort(SHARED)
    for *value, personas in carriers.iter_rows():
        foes = enemies[tuple(value)]
        groups: list[set[int]] = []
        for persona in sorted(personas, key=rank.__getitem__):
            fitting = [group for group in groups if not group & foes[persona]]
            if len(fitting) == 1:
                fitting[0].add(persona)
            else:
                groups.append({persona})
        rows += [
            (*value, persona, number)
            for number, group in enumerate(groups)
            for persona in sorted(group)
        ]
    return pl.DataFrame(
        rows,
        schema={
            **dict.fromkeys(SHARED, pl.String), "persona": pl.UInt32, "group": pl.Int64,
        },
        orient="row",
    )  # fmt: skip
