"""Wrong answers to the exercises of chapter 13 are refused, the book's own are accepted."""

from exercises import verify

WRONG = {
    "ex-code-rows": [
        "def other_b(a, c):\n    return 0.0",  # the diagonal case
        "def other_b(a, c):\n    return (2 + a + c) / 2",  # sign
        "def other_b(a, c):\n    return -(2 + a + c)",  # factor
        "def other_b(a, c):\n    return -(a + c) / 2",  # the identity forgotten
        "def other_b(a, c):\n    return -1.5",  # right for one case
    ],
    "ex-code-nll": [
        "def nll(log_px, log_p, log_q):\n    return (-log_px + log_p - log_q).mean()",  # the sign of the KL
        "def nll(log_px, log_p, log_q):\n    return torch.tensor(math.log(4 * math.pi) / 2 + 1.5**2 / 4)",  # right for the one x that is shown
        "def nll(log_px, log_p, log_q):\n    return (-log_px - log_p + log_q).mean()",  # logs averaged
        "def nll(log_px, log_p, log_q):\n    return -(log_px + log_p - log_q).logsumexp(0)",  # 1/M forgotten
        "def nll(log_px, log_p, log_q):\n    return math.log(len(log_q)) - (log_px + log_q - log_p).logsumexp(0)",
    ],
    "ex-code-share": [
        "def mixed_share(n, steps):\n    return 1 - 1 / n",  # as if the trainer read all n
        "def mixed_share(n, steps):\n    return steps / n",  # or went beyond the last value
        "def mixed_share(n, steps):\n    return 0.8",
        "def mixed_share(n, steps):\n    return min(steps + 1, n - 1) / n",  # off by one
    ],
}


def test_exercises():
    verify("13_paper_to_code", WRONG)
