"""The four solids that stand on the floor at the origin (y is up)."""

from dataclasses import dataclass

from flowlib.data.scenes.primitives import Ball, Box, Capsule, Cylinder

SHAPES = ("cube", "cylinder", "sphere", "capsule")


@dataclass(frozen=True)
class Solid:
    """radius : of the round ones, or half the cube's side;  height : from the floor up;  body : the primitive that it is."""

    radius: float
    height: float
    body: Box | Cylinder | Ball | Capsule

    @classmethod
    def of(cls, shape: str, scale: float):
        """The solid of a shape, one of SHAPES, at a scale; at scale 1 about 2 units high."""
        radius, height = {"cube": (0.82, 1.64), "cylinder": (0.85, 1.75), "sphere": (1.0, 2.0), "capsule": (0.66, 2.3)}[shape]
        r, h = radius * scale, height * scale
        body = {
            "cube": Box(0, (0.0, h / 2, 0.0), (r, h / 2, r)),
            "cylinder": Cylinder(0, (0.0, 0.0, 0.0), r, h),
            "sphere": Ball(0, (0.0, r, 0.0), r),
            "capsule": Capsule(0, (0.0, r, 0.0), (0.0, h - r, 0.0), r),
        }[shape]
        return cls(r, h, body)
