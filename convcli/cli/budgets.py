"""The budgets of `shape`: which of them a network does not keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convcli.arithmetic.values import format_size
from convcli.cli import options as opt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from convcli.arithmetic.footprint import Storage
    from convcli.arithmetic.network import Walk
    from convcli.arithmetic.values import Pair

COSTS = {  # options, and the numbers of the total that they limit
    "max_params": ("params", "parameters"),
    "max_macs": ("macs", "MACs"),
    "max_bytes": ("peak_bytes", "bytes of maps at the peak"),
}


class BudgetOptions(opt.DeclaredOptions):
    """The most that a network may cost, and the least that it must see."""

    max_params: int | None = opt.option(
        "Budgets", "--max-params", opt.COUNT, "The most parameters, like 100k or 1.5M; exit code 1 "
        "if there are more, as with the others."
    )  # fmt: skip
    max_macs: int | None = opt.option("Budgets", "--max-macs", opt.COUNT, "The most MACs.")
    max_bytes: int | None = opt.option(
        "Budgets", "--max-bytes", opt.MEMORY, "The most bytes that maps take at the peak."
    )
    min_field: Pair | None = opt.option(
        "Budgets", "--min-rf", opt.SIZE, "The least receptive field of the last map."
    )

    def find_broken(self, walk: Walk, storage: Storage) -> Iterator[str]:
        """Say of each budget that a network does not keep by how much."""
        if all(getattr(self, name) is None for name in BudgetOptions.parameters()):
            return
        from convcli.arithmetic.documents import summary_document

        total = summary_document(walk, storage)["total"]
        for option, (key, unit) in COSTS.items():
            most = getattr(self, option)
            if most is not None and total[key] > most:
                name = f"--{option.replace('_', '-')}"
                yield f"{total[key]:,} {unit}, {total[key] - most:,} over {name} {most:,}"
        field, least = total["receptive_field"], self.min_field
        if least is None:
            return
        wanted = f"--min-rf {format_size(least)}"
        if field is None:
            yield f"its receptive field is not known, and {wanted} asks for one"
        elif any(seen < side for seen, side in zip(field, least, strict=True)):
            yield f"a receptive field of {format_size(field)}, less than {wanted}"
