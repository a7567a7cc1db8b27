"""Configuration of the models: one class per architecture, chosen by the key `architecture`."""

from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator


class _Architecture(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    #: False for a model that predicts forces which are no gradient of an energy
    conservative: ClassVar[bool] = True
    architecture: str
    cutoff: float = Field(gt=0)
    dtype: Literal["float32", "float64"] = Field("float32", description="precision of weights and forces")


#: what `preset` stands for; for molecules and materials of several elements at a cutoff of 4.5 to 6 Å
PRESETS: Final[dict[str, dict[str, Any]]] = {
    "small": {"l_max": 2, "channels": 16, "body_order": 3, "basis": 8, "radial_width": 16, "repulsion": "zbl"},
    "medium": {"l_max": 3, "channels": 64, "body_order": 4, "basis": 8, "radial_width": 64, "repulsion": "zbl"},
    "large": {
        "l_max": 3,
        "l_state": 2,
        "channels": 128,
        "body_order": 4,
        "basis": 10,
        "radial_width": 64,
        "repulsion": "zbl",
    },
}


class ModelConfig(_Architecture):
    """The equivariant potential, Lampion's own and the default."""

    architecture: Literal["equivariant"] = Field("equivariant", description="this network; the default")
    preset: Literal["small", "medium", "large"] | None = Field(
        None, description="values of the keys below that are not given: quick, accurate, as accurate as it gets"
    )
    cutoff: float = Field(6.5, gt=0, description="range of one message, Å")
    l_max: int = Field(
        1, ge=0, le=3, description="largest degree of spherical harmonics and of what is raised to powers"
    )
    l_state: int = Field(1, ge=0, le=3, description="largest degree of the states that atoms send; no more than l_max")
    channels: int = Field(16, ge=1, description="channels per degree")
    layers: int = Field(2, ge=1, description="rounds of message passing")
    body_order: int = Field(3, ge=2, le=4, description="bodies coupled within one layer")
    basis: int = Field(10, ge=1, description="radial basis functions")
    radial_width: int = Field(0, ge=0, description="hidden width of the radial network, 0 for a linear map")
    readout_width: int = Field(16, ge=1, description="hidden width of the energy readout")
    repulsion: Literal["none", "zbl"] = Field("none", description="fixed repulsion of the nuclei at short range")

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("preset"), str):
            return PRESETS.get(values["preset"], {}) | values
        return values


class MaceConfig(_Architecture):
    """ScaleShiftMACE of mace-torch; keys are those of `mace_run_train`, but for `cutoff`, its `r_max`."""

    architecture: Literal["mace"] = Field("mace", description="this network")
    cutoff: float = Field(5.0, gt=0, description="range of one message, Å")
    num_channels: int = Field(32, ge=1, description="channels per degree")
    max_L: int = Field(1, ge=0, le=3, description="largest degree of the messages")  # noqa: N815 - mace-torch's name
    max_ell: int = Field(3, ge=1, le=4, description="largest degree of the spherical harmonics")
    num_interactions: int = Field(2, ge=1, description="rounds of message passing")
    correlation: int = Field(3, ge=1, le=3, description="order of the many-body products; bodies per layer less one")
    num_radial_basis: int = Field(8, ge=1, description="Bessel functions")
    num_cutoff_basis: int = Field(5, ge=2, description="power of the polynomial envelope")


class E3xConfig(_Architecture):
    """Network of the E3x tutorial: keys and defaults of the study of MD17 molecules."""

    architecture: Literal["e3x"] = Field("e3x", description="this network")
    cutoff: float = Field(3.0, gt=0, description="range of one message, Å")
    features: int = Field(32, ge=1, description="features per degree")
    max_degree: int = Field(2, ge=0, le=3, description="largest degree of features and spherical harmonics")
    num_iterations: int = Field(3, ge=1, description="rounds of message passing")
    num_basis_functions: int = Field(32, ge=2, description="reciprocal Bernstein polynomials")


class DirectConfig(_Architecture):
    """Forces predicted without an energy by a network that is not equivariant: a control that must fail.

    Train it on forces alone: `loss: {energy: 0}`.
    """

    conservative: ClassVar[bool] = False
    architecture: Literal["direct"] = Field("direct", description="this network")
    cutoff: float = Field(6.5, gt=0, description="range of one message, Å")
    features: int = Field(32, ge=1, description="width of the node state and of every hidden layer")
    layers: int = Field(3, ge=1, description="rounds of message passing")
    basis: int = Field(10, ge=1, description="radial functions of an edge")
    rotate: bool = Field(True, description="turn every training batch by another rotation, since the network cannot")


#: the class of each value of `architecture`
ARCHITECTURES: Final[dict[str, type[_Architecture]]] = {
    "equivariant": ModelConfig,
    "mace": MaceConfig,
    "e3x": E3xConfig,
    "direct": DirectConfig,
}


def _architecture_of(value: Any) -> str | None:
    """Tag of a section, read before it is validated; a section that does not say is the default one."""
    if isinstance(value, dict):
        return str(value.get("architecture", "equivariant"))
    return getattr(value, "architecture", None)


AnyModelConfig = Annotated[
    Annotated[ModelConfig, Tag("equivariant")]
    | Annotated[MaceConfig, Tag("mace")]
    | Annotated[E3xConfig, Tag("e3x")]
    | Annotated[DirectConfig, Tag("direct")],
    Discriminator(_architecture_of),
]
