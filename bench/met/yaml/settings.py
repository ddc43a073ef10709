"""Settings from conf/config.yaml, with overrides from the command line."""

import sys
from types import SimpleNamespace

import yaml


def wrap(value):
    return SimpleNamespace(**{k: wrap(v) for k, v in value.items()}) if isinstance(value, dict) else value


def load(path="conf/config.yaml", overrides=()):
    with open(path) as file:
        raw = yaml.safe_load(file)
    for item in overrides or sys.argv[1:]:
        key, _, value = item.partition("=")
        *folders, name = key.split(".")
        node = raw
        for folder in folders:
            node = node[folder]
        node[name] = yaml.safe_load(value)
    return wrap(raw)
