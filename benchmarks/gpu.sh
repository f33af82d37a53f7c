#!/usr/bin/env bash
# What only a GPU can measure, each part of it at most 8 minutes on one H100. From the repository's root:
#
#   benchmarks/gpu.sh PART [DEVICE]
#
# PART    tests       tests/test_gpu.py
#         speed       a step of ResNet-18 and of `small` against a matrix product; torch.compile and CUDA graphs
#         resnet18    `resnet18` with `columns` and with `direct` on 24,000 MNIST strips: accuracy, time
#         wide        recipes/mnist-gpu.yaml at two thirds of its peak learning rates
# DEVICE  cuda, or cpu for a dry run on very few strips
#
# MNIST has to be in data/mnist/MNIST/raw, or MNIST_ROOT names the folder. Neither DVC nor MLflow is needed; params.yaml,
# data/, models/ and reports/ are written in a scratch folder.
set -euo pipefail
part=${1:?one of tests, speed, resnet18, wide}
device=${2:-cuda}
here=$PWD
export PYTHONPATH=$here DIGITSUM_TRACKING=off PYTHONUNBUFFERED=1
mnist=${MNIST_ROOT:-$here/data/mnist}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fresh() { # a project folder with the default params
  rm -rf "$scratch/project" && mkdir -p "$scratch/project/data/external" "$scratch/project/data/initial"
  cd "$scratch/project"
  cp "$here"/{params.yaml,dvc.yaml} .
}

use() { # use SECTION.KEY=VALUE...: sets params
  python - "$@" <<'EOF'
import sys
from pathlib import Path
import yaml
params = yaml.safe_load(Path("params.yaml").read_text())
for word in sys.argv[1:]:
    key, _, value = word.partition("=")
    *sections, last = key.split(".")
    place = params
    for section in sections:
        place = place[section]
    place[last] = yaml.safe_load(value)
Path("params.yaml").write_text(yaml.safe_dump(params))
EOF
}

overlay() { # overlay RECIPE: merges a recipe into params.yaml
  python - "$1" <<'EOF'
import sys
from pathlib import Path
import yaml
def merge(there, values):
    for key, value in values.items():
        if isinstance(value, dict):
            merge(there[key], value)
        else:
            there[key] = value
params = yaml.safe_load(Path("params.yaml").read_text())
merge(params, yaml.safe_load(Path(sys.argv[1]).read_text()))
Path("params.yaml").write_text(yaml.safe_dump(params))
EOF
}

data() {
  use ingest.source=mnist ingest.mnist_root="$mnist" train.device="$device" evaluate.device="$device"
  [ "$device" = cuda ] || use preprocess.train_strips=200 preprocess.val_strips=100 preprocess.test_strips=100 \
    train.epochs=1 train.recompose.strips=100
  python -m stages.ingest
  python -m stages.preprocess
}

train() { # train NAME: trains and judges with the params as they are
  local start=$SECONDS
  python -m stages.train
  echo "== $1: trained in $((SECONDS - start)) s"
  python -m stages.evaluate
  python - "$1" <<'EOF'
import json, sys
m = json.load(open("reports/metrics.json"))
print(f"== {sys.argv[1]}: {m['accuracy']:.2%} ({m['accuracy_low']:.2%} to {m['accuracy_high']:.2%}), nll {m['nll']:.4f}")
EOF
}

case $part in
  tests)
    python -m pytest -q -n0 tests/test_gpu.py
    ;;
  speed)
    batch=$([ "$device" = cuda ] && echo 1024 || echo 16)
    python benchmarks/train_speed.py --device "$device" --batch "$batch"
    python benchmarks/compile_speed.py --device "$device" --batch "$batch" $([ "$device" = cuda ] || echo --quick)
    ;;
  resnet18)
    fresh
    use preprocess.train_strips=24000 preprocess.test_strips=10000
    data
    use model.backbone=resnet18 train.batch_size=96 train.average_decay=0.999 train.recompose.strips=24000 \
      'train.recompose.cut_at=[0.1,0.4,0.7]' train.recompose.sure=0.02
    [ "$device" = cpu ] || use train.epochs=20
    for head in columns direct; do
      use model.head="$head"
      train "resnet18, $head"
    done
    ;;
  wide)
    fresh
    overlay "$here/recipes/mnist-gpu.yaml"
    use train.learning_rate=0.02 train.other_learning_rate=0.004
    data
    train "mnist-gpu, peak learning rates 0.02 and 0.004"
    ;;
  *)
    echo "error: $part is not a part; tests, speed, resnet18 and wide are" >&2
    exit 2
    ;;
esac
