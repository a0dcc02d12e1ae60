"""The types of arrays with their shapes: jaxtyping's where it is loaded, as it is while tests check them.

Importing it takes nearly as long as importing numpy, and nothing else needs it to run.
"""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Bool as Bool
    from jaxtyping import Complex64 as Complex64
    from jaxtyping import Float as Float
    from jaxtyping import Float32 as Float32
    from jaxtyping import Float64 as Float64
    from jaxtyping import Int as Int
    from jaxtyping import Int16 as Int16
    from jaxtyping import Int64 as Int64
    from jaxtyping import Integer as Integer
    from jaxtyping import Num as Num
    from jaxtyping import Shaped as Shaped
    from jaxtyping import UInt8 as UInt8
else:

    class Shaped:
        """An array of any shape."""

        def __class_getitem__(cls, item: tuple[Any, str]) -> type:
            """The type of the array."""
            return item[0]

    Bool = Complex64 = Float = Float32 = Float64 = Int = Int16 = Int64 = Integer = Num = UInt8 = Shaped
