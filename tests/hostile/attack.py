"""What an attack is. A module of the suite fills its ATTACKS with `Attacks()`, whose decorator takes a builder function."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from hostile.opened import SECONDS


@dataclass(frozen=True)
class Attack:
    """A repository or work tree that attacks whoever opens it.

    name      of its builder, unique
    what      what it is after, the first line of the builder's documentation
    build     lays it out in a scene, before anything is compared; returns the folder to open (None: the repository itself)
    reaches   the commands that it reaches, besides `check` and `status`
    says      what the commands say of it between them, in part: so that none of them fails for another reason
    control   shows that it works where nothing defends: called with a scene, true where the attack got what it is after
    seconds   that one command may take
    """

    name: str
    what: str
    build: Callable[[Any], Path | None]
    reaches: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    control: Callable[[Any], Any] | None = None
    seconds: float = SECONDS

    @property
    def commands(self) -> tuple[str, ...]:
        """Those by which CI opens it."""
        return ("status", *(name for name in ("check",) if name not in self.reaches), *self.reaches)


class Attacks(list[Attack]):
    """The attacks of a module, gathered by decorating their builders."""

    def __call__(self, *reaches: str, **more: Any) -> Callable[[Callable[[Any], Path | None]], Callable[[Any], Path | None]]:
        """Take a builder into the list."""
        def gather(build: Callable[[Any], Path | None]) -> Callable[[Any], Path | None]:
            says = more.pop("says", ())
            what = (build.__doc__ or "").partition("\n")[0].rstrip(".")
            self.append(Attack(build.__name__, what, build, reaches, (says,) if isinstance(says, str) else says, **more))
            return build
        return gather


def every() -> dict[str, "Attacks"]:
    """The attacks of the whole suite, by their kind."""
    found = sorted(path.stem for path in Path(__file__).parent.glob("test_*.py"))
    return {name.removeprefix("test_"): import_module(f"hostile.{name}").ATTACKS for name in found}
