"""How the tables of an installation are written."""

import polars as pl

from pipelines.lake import write_table


def test_equal_rows_are_equal_bytes_in_however_many_pieces_they_were_made(tmp_path):
    whole = pl.DataFrame({"number": pl.int_range(400_000, eager=True)})
    pieces = pl.concat([whole.head(130_000), whole.slice(130_000)], rechunk=False)
    write_table(whole, tmp_path / "whole.parquet")
    write_table(pieces, tmp_path / "pieces.parquet")
    assert (tmp_path / "whole.parquet").read_bytes() == (tmp_path / "pieces.parquet").read_bytes()
