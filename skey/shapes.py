"""The types of arrays with their shapes: jaxtyping's where it is loaded, as it is while tests check them.

Importing it takes nearly as long as importing numpy, and nothing else needs it to run.
"""

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
