"""Make the packaged `identity_model.json` from made-up people and companies.

    .venv/bin/python benchmarks/identity_model.py [PEOPLE] > pipelines/rules/identity_model.json

Of made-up records it is known whose they are, so how one person's records differ (m) is counted;
`c360 identity train` has to find it by expectation maximisation. How many duplicates and neighbours
a record has is not learnt from them: it is what a base of customers is expected to have, until the
night finds more or fewer. Wants `faker`.
"""

import sys

import duckdb
import splink
from identity_people import make_companies, make_people

from pipelines.identity.fuzzy_columns import describe_records
from pipelines.identity.names import normalise_names
from pipelines.identity.splink_model import build_settings, open_linker
from pipelines.identity.training import RANDOM_PAIRS, SEED, read_worths, refuse_nonsense
from pipelines.rules.identity_model import IdentityModel, LevelWorth, PartyModel

# Where nothing is learnt, as of a level that no made-up record reaches: (m, u).
GUESSED = {
    "person": {
        "given_characters": {
            "same": (0.93, 0.004), "misheard": (0.01, 0.0005), "other": (0.06, 0.9955),
        },
        "given_name": {
            "same": (0.60, 0.001), "swapped": (0.03, 0.00001), "called": (0.06, 0.0005),
            "initial": (0.06, 0.005), "close": (0.10, 0.001), "near": (0.03, 0.001),
            "crossed": (0.01, 0.0005), "alike": (0.03, 0.004), "other": (0.08, 0.987),
        },
        "family_name": {
            "same": (0.75, 0.003), "other_chinese": (0.01, 0.05), "close": (0.12, 0.001),
            "near": (0.03, 0.002), "alike": (0.02, 0.004), "other": (0.07, 0.94),
        },
        "birth_date": {
            "same": (0.88, 0.0001), "typo": (0.06, 0.0015), "near": (0.01, 0.018),
            "year": (0.01, 0.012), "other": (0.04, 0.9684),
        },
        "gender": {"same": (0.99, 0.5), "other": (0.01, 0.5)},
    },
    "organisation": {
        "name": {
            "same": (0.7, 0.0003), "number": (0.01, 0.02), "close": (0.18, 0.0002),
            "part": (0.08, 0.001), "other": (0.03, 0.9785),
        },
        "domain": {"same": (0.9, 0.0001), "other": (0.1, 0.9999)},
    },
}  # fmt: skip
CONTACTS = {
    "email": {
        "same": (0.3, 0.00001), "named": (0.02, 0.0005), "local": (0.1, 0.00005),
        "close": (0.08, 0.0001),
        "other": (0.5, 0.99984),
    },
    "phone": {
        "same": (0.55, 0.00001), "typo": (0.1, 0.0001), "tail": (0.03, 0.00001),
        "near": (0.03, 0.0005),
        "other": (0.3, 0.99988),
    },
    "address": {
        "same": (0.45, 0.00002), "alike": (0.25, 0.00004), "near": (0.05, 0.00002),
        "street": (0.03, 0.001), "postal": (0.01, 0.0005), "city": (0.13, 0.005),
        "other": (0.08, 0.99342),
    },
}  # fmt: skip
EXPECTED = {"person": (0.5, 0.05), "organisation": (0.3, 0.05)}  # duplicates, neighbours
MAKE = {"person": make_people, "organisation": make_companies}


def guess(party: str) -> PartyModel:
    """What is known before anything is learnt."""
    duplicates, neighbours = EXPECTED[party]
    return PartyModel(
        trained_on=None,
        record_count=1,
        duplicates_per_record=duplicates,
        neighbours_per_record=neighbours,
        comparisons={
            comparison: {name: LevelWorth(m=m, u=u) for name, (m, u) in levels.items()}
            for comparison, levels in (GUESSED[party] | CONTACTS).items()
        },
    )


def learn(party: str, count: int) -> PartyModel:
    """Count how records of one and of different made-up parties differ."""
    profiles = normalise_names(MAKE[party](count, SEED))
    records = describe_records(profiles, party).join(
        profiles.select("node", "person"), on="node", how="left", maintain_order="left"
    )
    known = guess(party)
    with duckdb.connect() as database:
        database.execute("set threads = 1")
        settings = build_settings(party, known, records.height)
        linker = open_linker(database, records, party, settings)
        linker.training.estimate_u_using_random_sampling(
            max_pairs=RANDOM_PAIRS, seed=SEED, min_count_per_level=None
        )
        linker.training.estimate_m_from_label_column("person")
        comparisons = read_worths(linker, known)
    refuse_nonsense(comparisons, party)
    return known.model_copy(update={"record_count": records.height, "comparisons": comparisons})


def main() -> None:
    """Print the model."""
    people = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    model = IdentityModel(
        splink=splink.__version__,
        person=learn("person", people),
        organisation=learn("organisation", people // 3),
    )
    print(model.model_dump_json(indent=2))


if __name__ == "__main__":
    main()
