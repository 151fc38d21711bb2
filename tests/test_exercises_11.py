"""Wrong answers to the exercises of chapter 11 are refused, the book's own are accepted."""

from exercises import verify

HESSIANS = "necessary, sufficient, c, S = True, False, [1.0, 0.0], [[1.0, 0.0], [0.0, 1.0]]"
FORMULAS = """
def gap_formula(A, B, eps):
    return {0}
def both_formula(Ea, Eb):
    return {1}
"""
GAP, BOTH = "eps**2 * (B @ A - A @ B)", "(Ea @ Eb + Eb @ Ea) / 2"
THREE = """
three = {0}
if isinstance(three, torch.Tensor):
    three = three.mean().item()
best_switch = {1}
"""
ADDED = "evaluation.superposition_error(trained, held_out, (0, 1, 2), 50, 4)"

WRONG = {
    "ex-comp-hessians": [
        f"{HESSIANS}; necessary = False",
        f"{HESSIANS}; sufficient = True",
        f"{HESSIANS}; c = [0.0, 1.0]; S = [[1.0, 0.0], [0.0, 0.0]]",
        f"{HESSIANS}; S = [[0.0, 1.0], [-1.0, 0.0]]",
        f"{HESSIANS}; c = [1.0, 0.0, 0.0]",
        f"{HESSIANS}; necessary = 'yes'",
    ],
    "ex-comp-linear": [
        FORMULAS.format("eps**2 * (A @ B - B @ A)", BOTH),
        FORMULAS.format("eps**2 * (B @ A - A @ B) / 2", BOTH),
        FORMULAS.format("eps * (B @ A - A @ B)", BOTH),
        FORMULAS.format("exp(eps * B) @ exp(eps * A) - exp(eps * A) @ exp(eps * B)", BOTH),
        FORMULAS.format(GAP, "Ea @ Eb"),
        FORMULAS.format(GAP, "(Ea + Eb) / 2"),
        FORMULAS.format(GAP, "Ea + Eb - torch.eye(3)"),
    ],
    "ex-comp-three": [
        THREE.format("evaluation.composed_no_motion(held_out, torch.arange(5)[:, None].expand(5, 3), 50)", 6),
        THREE.format("mean(evaluation.switch_error(trained, held_out, a, b, 2, count=50, steps=4).mean().item() for a, b in pairs)", 6),
        THREE.format("evaluation.superposition_error(trained, held_out, (0, 1, 2), 50)", 6),
        THREE.format(f"{ADDED} / 4", 6),
        THREE.format("mean(evaluation.equivariance_error(trained, held_out, k, 50, 4).mean().item() for k in range(3))", 6),
        THREE.format(ADDED, 4),
        THREE.format(ADDED, 5),
    ],
}


def test_exercises():
    verify("11_composing", WRONG)
