"""Results carry the digest of the code that made them."""

import dataclasses
import sys

from flowlib.experiments import fingerprint
from flowlib.models import MODELS
from tiny import CONFIG


def test_comments_do_not_count_and_code_does(tmp_path):
    file = tmp_path / "a.py"
    file.write_text('"""Doc."""\n\n\ndef f(x):\n    """Doc."""\n    return x + 1\n')
    first = fingerprint.code_digest(["*.py"], tmp_path)
    file.write_text('"""Other."""\ndef f(x):  # why\n    return (x + 1)\n')
    assert fingerprint.code_digest(["*.py"], tmp_path) == first
    file.write_text("def f(x):\n    return x - 1\n")
    assert fingerprint.code_digest(["*.py"], tmp_path) != first


def test_a_model_depends_on_its_own_modules():
    files = {
        name: {path.stem for path in fingerprint._modules_behind(sys.modules[MODELS[name].__module__].__file__)}
        for name in ("vae", "slow-vae", "flow-inferred")
    }
    assert files["vae"] < files["slow-vae"] and "slow_vae" in files["slow-vae"]
    assert {"base", "networks", "likelihood", "importance", "protocol"} <= files["vae"]
    assert "flow_vae" not in files["slow-vae"] and {"flow_vae", "recogniser", "hj_penalty"} <= files["flow-inferred"]
    assert fingerprint.training_code(dataclasses.replace(CONFIG, model="vae")) != fingerprint.training_code(CONFIG)


def test_what_the_package_hands_on_counts_from_where_it_is_defined(tmp_path):
    module = tmp_path / "mine.py"
    module.write_text("from flowlib.models import FlowVAE, build_model\n")
    assert {"flow_vae", "base", "hj_penalty"} <= {path.stem for path in fingerprint._modules_behind(module)}


def test_files_of_every_part_of_the_training_count():
    files = {str(path.relative_to(fingerprint.PACKAGE)) for pattern in fingerprint.TRAINING for path in fingerprint.PACKAGE.glob(pattern)}
    assert {"config.py", "flows/potential.py", "flows/mixed.py", "data/transforms.py", "training/trainer.py"} <= files


def test_every_pattern_finds_files():
    for pattern in fingerprint.TRAINING + fingerprint.MEASURING:
        assert list(fingerprint.PACKAGE.glob(pattern)), pattern
