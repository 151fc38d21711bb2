"""Wrong answers to the exercises of chapter 6 are refused, the book's own are accepted."""

from exercises import verify

WRONG = {
    "ex-vae-gap": [
        "gap_one, gap_both = -math.log(2), -5.8",  # the ELBO's side of the difference
        "gap_one, gap_both = math.log(2), 1.11",  # KL[posterior ‖ q]
        "gap_one, gap_both = 0.0, 0.0",
        "gap_one, gap_both = math.log(2), math.log(2)",
        "gap_one, gap_both = 1.0, 5.8",  # one bit is not one nat
    ],
    "ex-vae-diagonal": [
        "variances = S.diagonal()",
        "variances = torch.linalg.inv(S).diagonal()",
        "variances = (1 / torch.linalg.inv(S).diagonal()).sqrt()",
        "variances = 1 / torch.linalg.inv(S)",
        "variances = -1 / torch.linalg.inv(S).diagonal()",
    ],
    "ex-vae-samples": [
        "samples_needed = 1000 * (log_weights(1, 100_000)[0] - log_p).exp().var()",  # the half forgotten
        "samples_needed = (500 * (log_weights(1, 100_000)[0] - log_p).exp().var()) ** 0.5",
        "samples_needed = 500 * (log_weights(1, 100_000)[0] - log_p).exp().std()",
        "samples_needed = 1000",
        "samples_needed = -500",
    ],
}


def test_exercises():
    verify("06_variational_autoencoder", WRONG)
