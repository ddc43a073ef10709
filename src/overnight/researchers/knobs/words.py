"""What a name gives away: whether the number behind it is worth turning, and on which scale.

Nothing here is certain. A wrong guess costs an experiment; `# knob: off` on the line ends it.
"""

from __future__ import annotations

import re


def among(listed: str) -> frozenset[str]:
    """The words of a list."""
    return frozenset(listed.split())


NEVER = among(
    "seed seeds debug verbose verbosity path paths directory file filename folder logs logging logger print every "
    "interval version port host url uri device dtype title timeout flops peak workers threads gpu gpus rng argv env "
    "environ prefix suffix comment author license report reporting plot figure dpi linewidth fontsize checkpoint "
    "resume wandb usage help description"
)
NEVER_WHOLE = among(
    "axis dim dims start stop step end sep count total index idx i j k n x y z t0 t1 id name rank mode format text "
    "check shell stdin stdout stderr flush indent encoding newline errors inplace keepdim keepdims requires_grad "
    "exist_ok parents non_blocking pin_memory set_to_none fullgraph dynamic strict persistent daemon ignore_index "
    "byteorder signed flags stacklevel reverse copy dir log save diagonal loss best_loss batch_first d_type "
    "drop_last skipna ndmin"
)

STRONG = among(
    "lr rate learning width hidden embd embed embedding dim layer layers depth batch channels units degree "
    "activation act optimizer optim schedule kernel"
)
MIDDLE = among(
    "beta beta1 beta2 betas momentum decay wd warmup warmdown cooldown init std scale gain dropout clip temperature "
    "temp ratio frac fraction steps step heads head block window alpha gamma lambda reg l1 l2 smoothing threshold "
    "epochs iters iterations size order power noise weight bias norm tie shuffle nesterov"
)
WEAK = among("eps epsilon eval val valid test vocab max min limit buffer cache budget tol")

FRACTION = among("dropout ratio frac fraction prob probability proportion warmup warmdown cooldown share")
NEAR_ONE = among("beta beta1 beta2 betas momentum decay ema discount gamma rho")
MAYBE_ZERO = FRACTION | among("decay wd reg l1 l2 smoothing noise std momentum regularization")
POWERS = among("head heads")  # what has to divide something
SIZES = among("width hidden embd embed dim batch channels units size block window context")

QUIET_CALLS = among(
    "print open isinstance issubclass getattr setattr hasattr exit quit _exit sleep seed manual_seed seed_all "
    "manual_seed_all RandomState default_rng Random round format getenv environ get_logger getLogger basicConfig debug "
    "info warning error critical exception reshape view size permute transpose unsqueeze squeeze flatten split rsplit "
    "rjust ljust center zfill join replace strip expand repeat swapaxes moveaxis chunk float32 int64 import_module "
    "ValueError TypeError RuntimeError AssertionError field register_buffer item group signal alarm settrace "
    "setrecursionlimit insert pop getattr_static Tensor write"
)


def named(name: str, words: frozenset[str]) -> bool:
    """Whether one of the name's words is among these: those of `headDim`, `HEAD_DIM` and `head_dim` are alike."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return not words.isdisjoint(re.split(r"[^a-z0-9]+", spaced.lower()))


def never(name: str) -> bool:
    """Whether a number of this name is no business of a researcher."""
    whole = name.lower() in NEVER_WHOLE and not (len(name) == 1 and name.isupper())
    return whole or named(name, NEVER) or name.startswith("__")


def promise(name: str) -> float:
    """How much such a name tends to matter, about 0.3 to 1.4."""
    if named(name, WEAK):
        return 0.4
    if named(name, STRONG):
        return 1.4
    return 1.0 if named(name, MIDDLE) else 0.7
