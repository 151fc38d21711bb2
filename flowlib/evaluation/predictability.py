"""Does a pair of images tell which factor moved? The VP score, and codes for MIG and DCI (M20)."""

import torch

from flowlib.data import Source, chunk_size
from flowlib.devices import seeded
from flowlib.errors import FlowlibError
from flowlib.evaluation.equivariance import decode_mean


def vp_score(model, sequences: Source, pairs=3000, train_share=0.1, seed=0) -> float:
    """Variation predictability: the accuracy with which a classifier names k from generated pairs (x_0, x_T) (M20).

    z_0 = μ(x_0) of random images, z_T moved by a random factor each; both decoded. The classifier is trained on
    `train_share` of the pairs and scored on the rest: in [0, 1], 1/K where the motions cannot be told apart. Pairs are drawn with
    replacement: of few images many test pairs are copies of training pairs, and the score is then too high.
    Raises FlowlibError unless the training pairs hold every factor, and there are two at least.
    Source: Zhu, Xu & Tao, Learning Disentangled Representations with Latent Variation Predictability, ECCV 2020.
    """
    kinds = len(sequences.factors)
    starts, ends, factor = generated_pairs(model, sequences, pairs, seed)
    train = round(train_share * pairs)
    if kinds < 2 or not 0 < train < pairs or len(factor[:train].unique()) < kinds:
        raise FlowlibError(f"{train} of {pairs} pairs cannot teach {kinds} factors: take two or more, more pairs, 0 < train_share < 1")
    features, factor = torch.cat([starts, ends - starts], 1).flatten(1).cpu().numpy(), factor.numpy()
    classifier = _classifier(train, seed).fit(features[:train], factor[:train])
    return float(classifier.score(features[train:], factor[train:]))


def _classifier(train, seed):
    """50 principal components of [x_0, x_T − x_0], and a network of one hidden layer of 64."""
    from sklearn.decomposition import PCA
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    network = MLPClassifier((64,), solver="lbfgs", alpha=1.0, max_iter=5000, tol=1e-3, random_state=seed)
    return make_pipeline(PCA(min(50, train), random_state=seed), StandardScaler(), network)


@torch.no_grad()
def generated_pairs(model, sequences: Source, pairs, seed=0):
    """The model's own x_0 and x_T (pairs, C, H, W) of random images, and the factors (pairs,) that moved them."""
    drawn = {"generator": seeded(seed), "device": "cpu"}  # the same images and factors whatever the model's device
    indices = torch.randint(len(sequences), (pairs,), **drawn)
    factor = torch.randint(len(sequences.factors), (pairs,), **drawn)
    ends = [None] * pairs
    for k in range(len(sequences.factors)):  # one factor at a time: the flows then run as one product
        for chunk in (factor == k).nonzero()[:, 0].split(chunk_size(sequences)):
            z = model.encode(sequences.full_batch(indices[chunk], k, 0).frames[:, 0]).mean  # where a sequence of this factor begins
            decoded = decode_mean(model, model.transport(z, k, sequences.length(k))[:, [0, -1]])
            for pair, images in zip(chunk.tolist(), decoded):
                ends[pair] = images
    starts, ends = torch.stack(ends).unbind(1)
    return starts, ends, factor


@torch.no_grad()
def composed_codes(model, sequences: Source, count=2000, seed=0):
    """(codes (n, d) floats, factors (n, K) integers), numpy arrays for `mig` and `dci` (M20).

    Random images, each under all K factors at once, at independent random steps 0 … T, in one composed warp; the codes
    are posterior means, the factors the source's `composed_values`.
    """
    drawn = {"generator": seeded(seed), "device": "cpu"}  # the same images and factors whatever the model's device
    indices = torch.randint(len(sequences), (count,), **drawn)
    steps = torch.randint(sequences.steps + 1, (count, 1, len(sequences.factors)), **drawn)
    chunks = zip(indices.split(chunk_size(sequences)), steps.split(chunk_size(sequences)))
    codes = [model.encode(sequences.composed(index, times)[:, 0]).mean.cpu() for index, times in chunks]
    return torch.cat(codes).numpy(), sequences.composed_values(indices, steps[:, 0]).numpy()
