"""What the people say: on social platforms, in chats, in surveys."""

from __future__ import annotations

import numpy as np
import polars as pl

from pipelines.demo import vocabulary as words
from pipelines.demo.orders import Orders
from pipelines.demo.world import (
    DAY,
    NEVER,
    SPAN,
    Chunk,
    choose,
    draw,
    draw_seasonal,
    draw_visits,
    keep_where,
    number_ids,
    pick,
    to_utc,
)

POST_DAYS = 3


def write_engagements(people: pl.DataFrame, seed: int, chunk: Chunk) -> pl.DataFrame:
    """Write likes, comments, shares and follows, by known and unknown handles, and WeCom chats."""
    chance = draw(seed, chunk.number, "social")
    handle, wecom = people["handle"].to_numpy(), people["wecom"].to_numpy()
    fades = np.minimum(people["ends"].to_numpy(), SPAN) + (
        chance.exponential(200, people.height) * DAY
    ).astype(np.int64)
    fans, liked = draw_visits(
        handle, fades, np.where(handle < NEVER, chance.gamma(0.5, 2 / 70, people.height), 0), chance
    )
    chats, chatted = draw_visits(wecom, fades, np.where(wecom < NEVER, 1 / 160, 0), chance)
    strangers = len(fans) * 2 // 3
    passed = draw_seasonal(chance, chunk.begins, SPAN, strangers)
    person = np.concatenate((fans, chats, np.zeros(strangers, dtype=np.int64)))
    at = np.concatenate((liked, chatted, passed))
    group = np.repeat([0, 1, 2], [len(fans), len(chats), strangers])
    order = np.argsort(at, kind="stable")
    person, at, group = person[order], at[order], group[order]
    count = len(at)
    kind = np.where(group == 1, 4, choose(chance, (55, 20, 12, 6), count))
    said = pick(
        range(len(words.COMMENTS)), choose(chance, (20, 16, 16, 12, 10, 9, 9, 8), count)
    ).to_numpy()
    speaks, judged = (kind == 1) | (kind == 4), chance.random(count) < 0.6
    stranger = pl.Series(chance.integers(10**9, 10**10, count)).cast(pl.String)
    actor = people[["actor_id", "external_userid", "handle_name", "platform", "given"]][person]
    followers = np.exp(chance.normal(5.2, 1.6, people.height)).astype(np.int64)[person]
    is_fan, is_chat = pl.Series(group == 0), pl.Series(group == 1)
    platform = pl.select(
        pl.when(is_chat)
        .then(pl.lit("wecom"))
        .when(is_fan)
        .then(actor["platform"])
        .otherwise(pick(words.PLATFORMS, chance.integers(0, len(words.PLATFORMS), count)))
    ).to_series()
    post = platform + "-" + pl.Series(at // (POST_DAYS * DAY)).cast(pl.String).str.zfill(5)
    return pl.DataFrame(
        {
            "id": number_ids("G", chunk, np.arange(count)),
            "platform": platform,
            "own_account_id": "brand_" + platform,
            "grain": pl.repeat("event", count, eager=True),
            "post_id": keep_where(post, (group != 1) & (kind != 3)),
            "engagement_type": pick(("like", "comment", "share", "follow", "dm"), kind),
            "actor_platform_id": pl.select(
                pl.when(is_chat)
                .then(actor["external_userid"])
                .when(is_fan)
                .then(actor["actor_id"])
                .otherwise(stranger)
            ).to_series(),
            "actor_handle": pl.select(
                pl.when(is_fan).then(actor["handle_name"]).when(~is_chat).then("user_" + stranger)
            ).to_series(),
            "actor_name": keep_where(actor["given"], group < 2),
            "actor_followers": keep_where(pl.Series(followers), group != 1),
            "actor_verified": (followers > 5_000) & (group == 0),
            "text": keep_where(pick([c[0] for c in words.COMMENTS], said), speaks),
            "language": keep_where(pick([c[3] for c in words.COMMENTS], said), speaks),
            "metric_value": np.ones(count),
            "engaged_at": to_utc(at),
            "sentiment_label": keep_where(
                pick([c[1] for c in words.COMMENTS], said), speaks & judged
            ),
            "sentiment_score": keep_where(
                pick([c[2] for c in words.COMMENTS], said), speaks & judged
            ),
            "_at": at,
        }
    )


def write_answers(
    people: pl.DataFrame, orders: Orders, cases: pl.DataFrame, seed: int, chunk: Chunk
) -> pl.DataFrame:
    """Write answers after orders and after closed cases, with a word on why.

    Orders ask whether one would recommend us, cases whether one was satisfied.
    """
    chance = draw(seed, chunk.number, "surveys")
    mailable = people["email"].is_not_null().to_numpy()
    content, ends = people["content"].to_numpy(), people["ends"].to_numpy()
    asked = np.flatnonzero(
        orders.completed & mailable[orders.person] & (chance.random(len(orders.at)) < 0.08)
    )
    closed = cases.filter(pl.col("closed_at").is_not_null())
    helped, at_close = closed["_local"].to_numpy(), closed["_at"].to_numpy()
    answers = mailable[helped] & (chance.random(len(helped)) < 0.4)
    person = np.concatenate((orders.person[asked], helped[answers]))
    invited = np.concatenate((orders.at[asked] + 4 * DAY, at_close[answers] + DAY))
    at = invited + (chance.exponential(2, len(person)) * DAY).astype(np.int64) + 3_600
    nps = np.repeat([True, False], [len(asked), int(answers.sum())])
    leaving = ends[person] - at < 120 * DAY  # who is about to leave says so, a little
    raw = content[person] - 0.18 * leaving + chance.normal(0, 0.16, len(person))
    score = np.where(
        nps, np.clip(np.round(2 + 9.5 * raw), 0, 10), np.clip(np.round(1 + 5 * raw), 1, 5)
    )
    good = np.where(
        nps,
        np.where(score >= 9, 2, np.where(score >= 7, 1, 0)),
        np.where(score >= 4, 2, np.where(score == 3, 1, 0)),
    )
    zh = people["chinese"].to_numpy()[person]
    text = pl.select(
        pl.when(pl.Series(zh))
        .then(pick([w[0] for w in words.NPS_WORDS], good))
        .otherwise(pick([w[1] for w in words.NPS_WORDS], good))
    ).to_series()
    response = number_ids("R", chunk, np.arange(len(person)))
    scores = pl.DataFrame(
        {
            "survey_id": pick(("csat-service", "nps-orders"), nps.astype(np.int64)),
            "response_id": response,
            "email": people["email"].gather(person),
            "question_id": pick(("csat", "nps"), nps.astype(np.int64)),
            "question_text": pick(
                ("您对我们的服务满意吗？", "您有多大可能把我们推荐给朋友？"), nps.astype(np.int64)
            ),
            "question_type": pick(("csat", "nps"), nps.astype(np.int64)),
            "score": score,
            "scale_min": np.where(nps, 0.0, 1.0),
            "scale_max": np.where(nps, 10.0, 5.0),
            "channel": pl.repeat("email", len(person), eager=True),
            "invited_at": to_utc(invited),
            "responded_at": to_utc(at),
            "_at": at,
        }
    )
    reasons = scores.filter(pl.Series(chance.random(len(person)) < 0.3)).with_columns(
        question_id=pl.lit("why"),
        question_type=pl.lit("text"),
        question_text=pl.lit("为什么？ Why?"),
        score=pl.lit(None, pl.Float64),
        scale_min=pl.lit(None, pl.Float64),
        scale_max=pl.lit(None, pl.Float64),
    )
    reasons = reasons.join(
        pl.DataFrame({"response_id": response, "answer_text": text}),
        on="response_id",
        how="left",
        maintain_order="left",
    )
    both = pl.concat([scores, reasons], how="diagonal").sort("_at", "response_id", "question_id")
    return both.with_columns(
        id=number_ids("Q", chunk, np.arange(both.height)), source_created_at="responded_at"
    )
