"""Everything that can be set."""

from dataclasses import dataclass, field


@dataclass
class ModelConfig:
    features: int = 60
    bandwidth: float = 3.0


@dataclass
class TrainConfig:
    learning_rate: float = 0.02
    steps: int = 300
    batch_size: int = 16
    l2: float = 1e-3
    lr_decay: float = 1.0


@dataclass
class Config:
    seed: int = 1337
    n_train: int = 400
    n_val: int = 600
    noise_std: float = 0.2
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
