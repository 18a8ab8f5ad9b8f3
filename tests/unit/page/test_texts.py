import re
from pathlib import Path

import polars as pl

from pipelines import page as page_package
from pipelines.page.texts import texts, with_words, word
from pipelines.rules import find_rules, load_rules

HERE = Path(page_package.__file__).parent
CHINESE = re.compile(r"[一-鿿]")
SAME = {"AUC", "CSV", "BG/NBD", "MBG/NBD", "Pareto/NBD", "NBD"}  # names in any language


def every_text():
    known = texts()
    for group in (known.page, known.tiles, known.columns, *known.words.values()):
        yield from group.values()
    for headings in (known.sections, known.figures):
        for heading in headings.values():
            yield from (heading.title, heading.lead)


def test_every_text_is_there_in_both_languages():
    for text in every_text():
        assert text.en.strip()
        switch = text.en == "中文"  # the button says where it leads
        assert CHINESE.search(text.zh) or text.en in SAME or switch, text


def test_every_text_of_a_figure_or_section_is_used():
    code = "".join(path.read_text() for path in HERE.glob("*.py"))
    made = {"churn", "orders", "value"}
    for name in texts().figures:
        target, _, rest = name.partition("_")
        whole = f'"{name}"' in code or (target in made and rest in ("backtest", "level"))
        assert whole or target in ("kpi", "daily"), name
    assert all(f'"{name}"' in code for name in texts().sections)


def test_every_reason_of_the_packaged_rules_has_words():
    book = load_rules(find_rules(None))
    reasons = {reason.reason for reason in book.churn_reasons.reasons}
    assert reasons | {book.churn_reasons.otherwise.reason} <= set(texts().words["reasons"])


def test_a_word_that_is_not_known_stays_as_it_is():
    assert word("bands", "soaring") == ("soaring", "soaring")
    told = with_words(pl.DataFrame({"band": ["low", "soaring"]}), "band", "bands")
    assert told["band_zh"].to_list() == ["低风险", "soaring"]
