"""Wrong answers to the exercises of chapter 9 are refused, the book's own are accepted."""

from exercises import verify

PRICE = "price, needed = lambda K: math.log(K), math.log(198)"
STORY = """
def q_of(values):
    return values.softmax(-1)
def objective(L):
    values = torch.stack([torch.zeros_like(L), -L], -1)
    q = q_of(values)
    return {0}
def truth_of_both(L):
    return {1}
"""

WRONG = {
    "ex-infer-certainty": [
        f"{PRICE}; price = lambda K: -math.log(K)",
        f"{PRICE}; price = lambda K: math.log2(K)",
        f"{PRICE}; price = lambda K: 1 - 1 / K",
        f"{PRICE}; needed = math.log(99)",
        f"{PRICE}; needed = 198",
        f"{PRICE}; needed = math.log(200)",
        f"{PRICE}; needed = -math.log(198)",
    ],
    "ex-infer-two": [
        "best_q, best_bound, certain_bound, unsure_bound = 0.8808, -3.5663, -3, -4",
        "best_q, best_bound, certain_bound, unsure_bound = 0.8808, -2.873, -3.6931, -4",
        "best_q, best_bound, certain_bound, unsure_bound = 0.1192, -3.5663, -3.6931, -4",
        "best_q, best_bound, certain_bound, unsure_bound = 1.0, -3.5663, -3.6931, -4",
        "best_q, best_bound, certain_bound, unsure_bound = 0.8808, -3.5663, -3.6931, -4 - math.log(2)",
    ],
    "ex-infer-frames": [
        STORY.format("2 * (q * values).sum(-1) - to_uniform(q)", "-2 * L"),
        STORY.format("2 * (q * values).sum(-1) - to_uniform(q)", "0 * L"),
        STORY.format("(q * values).sum(-1) - to_uniform(q)", "-L"),
        STORY.format("2 * (q * values).sum(-1) + to_uniform(q)", "-L"),
        STORY.format("2 * (q * values).sum(-1) - 2 * to_uniform(q)", "-L"),
        STORY.format("2 * (q * values).sum(-1)", "-L"),
        STORY.format("2 * (q * values).sum(-1) - (q * q.log()).sum(-1)", "-L"),
    ],
    "ex-infer-temperature": [
        "best_for_63, best_for_3000 = 0.3, 0.3",
        "best_for_63, best_for_3000 = 0.1, 0.1",
        "best_for_63, best_for_3000 = 1, 0.1",
        "best_for_63, best_for_3000 = 0.3, 0.03",
        "best_for_63, best_for_3000 = 0.5, 0.1",
    ],
}


def test_exercises():
    verify("09_inferring_the_factor", WRONG)
