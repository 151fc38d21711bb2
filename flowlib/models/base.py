"""What all models of the book share: the encoder, the decoder and the likelihood."""

from jaxtyping import Float, Int
from torch import Tensor, nn

from flowlib.config import Config
from flowlib.data import Batch, Source, over_chunks
from flowlib.devices import is_out_of_memory
from flowlib.errors import FlowlibError, first_line
from flowlib.models.calls import checked_decode, checked_encode, checked_transport, described, raise_unlike
from flowlib.models.contract import check_override
from flowlib.models.joint import Joint, single_frames
from flowlib.models.likelihood import build_likelihood
from flowlib.models.networks import Network, build_networks
from flowlib.models.protocol import Posterior


class LatentModel(nn.Module):
    """q(z|x) and p(x|z) of images (channels, size, size); how a latent moves is left to the models.

    config : encoder, decoder, latent size, likelihood and the images' shape are read from it
    encoder, decoder : None, or networks of your own: images (B, C, H, W) → (mean, log σ), (B, d) each; codes (B, d) → (B, C, H, W), as
        the likelihood reads it. Their shapes are checked. A checkpoint holds their weights, not their code: to load it, pass them again
    uses : the choices of the configuration (`flowlib.config.CHOICES`) that a class reads; `build_model` refuses the others
    reads_programs : whether sequences moved by more than one factor can be trained on: the objective follows `Batch.motion`, or reads no label
    needs_labels : whether training or `calibrate` reads which factor moves a sequence; where not, sequences without labels are enough
    reads_labels : whether the objective does, so that sequences in which several factors move at once are no use in training
    any_steps : whether `transport` knows negative steps and parts of steps; where not, it is asked for whole ones forward only
    moved_by : the methods by which the objective moves codes, where these are not `transport` itself: a subclass that overrides `transport`
        and none of them, nor the objective, is refused, for its motion would not be learned
    capturable : whether the objective looks at no values and counts no calls, so that a GPU's steps can be one graph (`training.captured`);
        a subclass says so anew
    version : raised when training changes in a way that its first steps do not show, so that older results are measured again
    """

    uses = ()
    reads_programs = False
    needs_labels = reads_labels = True
    any_steps = False
    moved_by = ()
    capturable = False
    version = 1

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        check_override(cls)
        for name, checked in (("transport", checked_transport), ("encode", checked_encode), ("decode", checked_decode)):
            if name in vars(cls):
                setattr(cls, name, checked(getattr(cls, name)))

    def __init__(self, config: Config, encoder=None, decoder=None):
        super().__init__()
        self.config = config
        self.encoder, self.decoder = build_networks(
            config.network, config.channels, config.size, config.latent_dim, config.width, encoder, decoder
        )
        given = {"encoder": encoder, "decoder": decoder}
        self.own_networks = {name: type(network).__name__ for name, network in given.items() if network is not None}
        self.likelihood = build_likelihood(config.likelihood, config.noise_std)

    def encode(self, images: Float[Tensor, "B C H W"]) -> Posterior:
        """q(z|x). Raises FlowlibError for images that the encoder cannot take."""
        try:
            return Posterior(*self.encoder(images))
        except Exception as error:  # an encoder of one's own may raise anything
            shape, found = (self.config.channels, self.config.size, self.config.size), described(images)
            if not isinstance(images, Tensor) or not images.is_floating_point() or images.shape[1:] != shape:
                wanted = f"give a tensor (B, {', '.join(map(str, shape))}) of floats in [0, 1]; bytes / 255"
                raise FlowlibError(f"images are {found}: {wanted}") from error
            kind = next((one.dtype for one in self.encoder.parameters()), images.dtype)
            if isinstance(error, FlowlibError) or is_out_of_memory(error) or isinstance(self.encoder, Network) and kind == images.dtype:
                raise  # these images are as they should be: something else is wrong
            own = f"the encoder, a {type(self.encoder).__name__} with weights of {kind}, fails for images {found} ({first_line(error)})"
            alike = ": it takes images of the type of its weights; encoder.float() or images.double() makes them alike"
            raise FlowlibError(own + alike * (kind != images.dtype)) from error

    def decode(self, z: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch C H W"]:
        """The parameters of p(x|z) that `self.likelihood` reads: logits, or means. Raises FlowlibError for what are no codes (…, d)."""
        dim = self.config.latent_dim
        if not isinstance(z, Tensor) or z.shape[-1:] != (dim,):
            raise FlowlibError(f"codes are {described(z)}: give a tensor (…, {dim}) of floats")
        try:
            decoded = self.decoder(z.reshape(-1, dim))
        except RuntimeError as error:
            raise_unlike(z, self.decoder, error)
            raise
        return decoded.reshape(*z.shape[:-1], *decoded.shape[1:])

    def infer_factor(self, batch: Batch) -> Int[Tensor, " B"]:
        """Which factor moves each sequence: here it is given."""
        return batch.factor

    def frame_joint(self, batch: Batch) -> Joint:
        """log p(z, x_t) of every frame by itself (M17): here under N(0, I)."""
        return single_frames(self, batch)

    def idle_parameters(self):
        """Names of trainable parameters that the objective leaves alone on purpose; the trainer takes any other for a mistake."""
        return ()

    def calibrate(self, sequences):
        """Measure on the training set, after training, what the model needs beyond its weights: here nothing."""
        return self


def paths_of(model, sequences: Source, factor, count) -> Float[Tensor, "n frames d"]:
    """μ(x_0) … μ(x_T): the codes of all frames of the first `count` images under one factor."""

    def codes(chunk):
        frames = sequences.full_batch(chunk, factor).frames
        return model.encode(frames.flatten(0, 1)).mean.unflatten(0, frames.shape[:2])

    return over_chunks(sequences, count, codes)
