"""What a name gives away: whether the number behind it is worth turning, and on which scale.

Nothing here is certain. A wrong guess costs an experiment; `# knob: off` on the line ends it.
"""

from __future__ import annotations

import ast
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
    "drop_last skipna ndmin done"
)

STRONG = among(
    "lr rate learning width hidden embd embed embedding dim layer layers depth batch channels units degree "
    "activation act optimizer optim schedule kernel"
)
MIDDLE = among(
    "beta beta1 beta2 betas momentum decay wd warmup warmdown cooldown init std scale gain dropout clip temperature "
    "temp ratio frac fraction steps step heads head block window alpha gamma lambda reg l1 l2 smoothing threshold "
    "epochs iters iterations size order power noise weight bias norm tie nesterov"
)
WEAK = among("eps epsilon max min limit buffer cache budget tol")

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

# ---- names that tell the ruler: what measures, what it is measured on, and how that is drawn and divided

MEASURED = among(
    "val valid validation eval evaluation evaluator evals test tests testing metric metrics holdout heldout benchmark best "
    "seed seeds vocab vocabulary randomstate stratify shuffle shuffled split splits fold folds cv target targets goal "
    "expected truth groundtruth reference optimum optimal baseline capacity capacities acc accuracy auc f1 rmse "
    "mae mse score scores scorer scoring repeats download"
)
MEASURED_WHOLE = among(
    "train training random_state test_size train_size average sample_weight pos_label zero_division multioutput labels cap "
    "n m return_x_y as_frame y_true true_w true_b y_test x_test weight_informative class_sep n_informative n_redundant"
)
METRICS = among(
    "accuracy acc score scores scorer f1 fbeta auc roc metric metrics precision recall rmse mae mse r2 mape smape eval "
    "evaluate evaluation validate validation test benchmark confusion perplexity bleu rouge ndcg iou psnr ssim measure "
    "judge grade objective fitness"
)
COUNTS = among("n num nb nr number count size sizes total amount length len how")
THINGS = among(
    "sample samples example examples point points row rows record records item items instance instances image images document "
    "documents class classes label labels feature features input inputs output outputs data dataset datasets city cities "
    "customer customers node nodes edge edges query queries user users patient patients observation observations job jobs "
    "task tasks object objects circle circles center centers case cases train training"
)
SHARES = COUNTS | among("frac fraction ratio share portion pct percent proportion samples examples points data set rows")
LOADS = among("load loads fetch read split splits fold kfold dataset datasets blobs moons loadtxt genfromtxt cases instance "
              "instances loader")
MAKES = among(
    "make generate gen get create build draw synth synthetic synthesize synthesise prepare sample simulate random fake"
)
DATA = among(
    "data dataset datasets blobs moons circles classification regression examples instances instance items points cases "
    "problem problems problemset x xy inputs task tasks series batch_data sequence sequences cities graph"
)
FITS = among("fit partial_fit train_on_batch step fit_transform fit_predict fit_generator")
TRAINS = among(
    "fit train training trained learn optimize optimise optimizer minimize minimise maximize maximise solve solver search tune "
    "evolve anneal climb improve update refine descend descent sgd adam bfgs"
)
APPLIES = among(
    "forward predict predicts prediction model net network apply transform infer inference decide policy classify embed encode "
    "decode prob probs proba logits mlp gpt transformer pack schedule plan route greedy heuristic"
)
DRAWS = among("random rand randn randint uniform normal gauss choice choices integers shuffle permutation standard_normal "
              "expovariate randrange betavariate poisson exponential lognormal")
CLOCKS = among(
    "perf_counter perf_counter_ns monotonic monotonic_ns process_time process_time_ns time time_ns timeit default_timer"
)
BEGINS = among("w w0 w1 w2 w3 b b0 b1 b2 b3 x0 theta params param weight weights bias init initial start state population "
               "solution guess embedding layer layers coef best current candidate model net mask noise perturbation speeds")
PLOTTED = among("plt ax axes axs fig figure sns seaborn pyplot plot plots plotting plotly legend savefig xlabel ylabel title "
                "colorbar subplots tight_layout imshow scatter hist xlim ylim annotate visualize visualise")
BOUNDS = among("max maximum limit most")
WORLD = among("env envs environment environments world worlds gridworld simulator simulation sim arena mdp")
SETS = among("data dataset datasets problem")
AMOUNTS = among("weight load loads volume distance cost costs demand price area horizon deadline power energy")


def ruler(name: str) -> bool:
    """Whether a value of this name belongs to what measures: how, on what, on how much of it, within what, from which seed."""
    plain = name.lower().lstrip("-").replace("-", "_")
    counted = named(name, COUNTS) and named(name, THINGS) and not named(name, among("batch"))
    divided = named(name, among("train training")) and named(name, SHARES) and not named(name, among("batch"))
    bounded = named(name, BOUNDS) and named(name, AMOUNTS)
    return plain in MEASURED_WHOLE or named(name, MEASURED) or counted or divided or bounded


def world(where: str) -> bool:
    """Whether a place (`env.slip`, `GridWorld.__init__(slip=)`, `data.noise`) lies in the world in which something is measured,
    or in its data."""
    *inside, name = where.replace("(", ".").split(".")
    kept = WORLD if named(name, among("batch")) else WORLD | SETS
    return any(named(part, kept) for part in inside)


def counts_things(name: str) -> bool:
    """Whether a name is that of things alone (`kCities`), as one of how many there are."""
    parts = spaced(name) - {"k", "n", "num"}
    return bool(parts) and parts <= THINGS and all(part.endswith("s") for part in parts)


def plots(call: ast.Call) -> bool:
    """Whether a call draws a picture."""
    names = [part.attr if isinstance(part, ast.Attribute) else part.id for part in ast.walk(call.func)
             if isinstance(part, ast.Attribute | ast.Name)]
    return any(named(name, PLOTTED) for name in names)


def loads(name: str) -> bool:
    """Whether a call of this name loads, makes or divides data."""
    made = named(name, MAKES) and named(name, DATA)
    return (named(name, LOADS) and not name.endswith("DataLoader")) or made


def named(name: str, words: frozenset[str]) -> bool:
    """Whether one of the name's words is among these: those of `headDim`, `HEAD_DIM` and `head_dim` are alike."""
    return not words.isdisjoint(spaced(name))


def spaced(name: str) -> set[str]:
    """The words of a name, in small letters."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return set(re.split(r"[^a-z0-9]+", apart.lower()))


def never(name: str) -> bool:
    """Whether a number of this name is no business of a researcher."""
    whole = name.lower() in NEVER_WHOLE and not (len(name) == 1 and name.isupper())
    return whole or named(name, NEVER) or ruler(name) or name.startswith("__")


def promise(name: str) -> float:
    """How much such a name tends to matter, about 0.3 to 1.4."""
    if named(name, WEAK):
        return 0.4
    if named(name, STRONG):
        return 1.4
    return 1.0 if named(name, MIDDLE) else 0.7
