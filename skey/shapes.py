"""Arrays with shapes: jaxtyping's types where tests have loaded it, which takes as long as numpy does."""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Bool, Complex64, Float, Float32, Float64, Int, Int16, Int64, Integer, Shaped, UInt8
else:

    class Shaped:
        """An array of any shape."""

        def __class_getitem__(cls, item: tuple[Any, str]) -> type:
            return item[0]

    Bool = Complex64 = Float = Float32 = Float64 = Int = Int16 = Int64 = Integer = UInt8 = Shaped
