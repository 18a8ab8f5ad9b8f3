"""A model of its own for each channel of first orders that is large enough, one for the rest.

Whom a shop wins in its store and whom by an advertisement are often different customers. A
channel does not follow from a history, so the models know it of each customer whom they are asked
of, and are asked of just these, in their order.
"""

# ruff: noqa: N803  (T is the name in the papers)

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipelines.scoring.models.fitting import Fit
from pipelines.scoring.models.histories import as_floats
from pipelines.scoring.models.newton import Floats
from pipelines.scoring.models.order_model import OrderModel, OrderModelKind
from pipelines.scoring.models.parted import PartedModels, Rows, build_parts, fit_parts, join_fits


@dataclass(frozen=True)
class Channels:
    """The channel of each customer's first order: its place among the names, -1 if unknown."""

    names: tuple[str, ...]
    places: NDArray[np.int32]

    def at(self, rows: NDArray[np.int64] | slice) -> "Channels":
        """Return the channels of some of the customers."""
        return replace(self, places=self.places[rows])

    def are(self, name: str) -> NDArray[np.bool_]:
        """Return who came by a channel."""
        is_it: NDArray[np.bool_] = (
            self.places == self.names.index(name)
            if name in self.names
            else np.zeros(len(self.places), dtype=np.bool_)
        )
        return is_it


@dataclass(frozen=True)
class ChannelModels(PartedModels):
    """The model of all customers, and of each channel that has its own; of certain customers."""

    pooled: OrderModel
    by_channel: Mapping[str, OrderModel]
    channels: Channels

    @property
    def kind(self) -> str:
        """The kind of its parts, said to be of channels."""
        return f"{self.pooled.kind}_channels"

    @property
    def own(self) -> Mapping[str, OrderModel]:
        """The models of channels by name."""
        return self.by_channel

    def split(self, T: ArrayLike) -> Iterator[tuple[OrderModel, Rows]]:
        """Return each model with the customers that it is of.

        Raises:
            ValueError: If there are more or fewer customers than those whose channels are known.
        """
        (tenure,) = as_floats(T)
        if len(tenure) != len(self.channels.places):
            raise ValueError(
                f"The channels of {len(self.channels.places)} customers are known, and the model "
                f"was asked of {len(tenure)}; ask `of_rows` for that of some."
            )
        others = np.ones(len(tenure), dtype=np.bool_)
        for name, model in self.by_channel.items():
            rows = self.channels.are(name)
            others &= ~rows
            yield model, rows
        yield self.pooled, others


def of_channels(model: OrderModel, channels: Channels | None) -> OrderModel:
    """Return the same model for other customers; a model that knows no channels as it is."""
    if isinstance(model, ChannelModels) and channels is not None:
        return replace(model, channels=channels)
    return model


def of_rows(model: OrderModel, rows: NDArray[np.int64] | slice) -> OrderModel:
    """Return the model of some of its customers; a model that knows no channels as it is."""
    return of_channels(model, model.channels.at(rows) if isinstance(model, ChannelModels) else None)


def fit_channels(
    kind: OrderModelKind,
    histories: tuple[Floats, Floats, Floats],
    channels: Channels,
    *,
    min_customers: int,
    start: ChannelModels | None = None,
    prior_sd: float | None = 2.0,
) -> Fit[ChannelModels]:
    """Return a model for each channel of at least `min_customers`, and one of all customers.

    Args:
        kind: Of the parts, as in `fit_order_model`.
        histories: x, t_x and T of each customer.
        channels: Of the same customers.
        min_customers: The size from which a channel has a model of its own.
        start: The models of the last release.
        prior_sd: As in `fit_order_model`.

    Raises:
        ValueError: As in `fit_order_model`.
    """
    pooled, own = fit_parts(
        kind,
        histories,
        {name: channels.are(name) for name in channels.names},
        min_customers=min_customers,
        start=start,
        prior_sd=prior_sd,
    )
    model = ChannelModels(pooled.model, {n: fit.model for n, fit in own.items()}, channels)
    return join_fits(model, pooled, [*own.values()], float(model.log_likelihood(*histories).sum()))


def build_channels(
    kind: OrderModelKind, parameters: Mapping[str, float], channels: Channels
) -> ChannelModels:
    """Return the models of these parameters, named as in `ChannelModels.parameters`.

    Raises:
        ValueError: If they are not those of the kind, or not positive.
    """
    pooled, own = build_parts(kind, parameters)
    return ChannelModels(pooled, own, channels)
