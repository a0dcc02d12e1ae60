"""Arrays with shapes: jaxtyping's types where tests have loaded it, which takes as long as numpy does."""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # As jaxtyping has it: type checkers see the array, and a client needs no jaxtyping.
    from typing import Annotated as Bool
    from typing import Annotated as Complex64
    from typing import Annotated as Float
    from typing import Annotated as Float32
    from typing import Annotated as Float64
    from typing import Annotated as Int
    from typing import Annotated as Int16
    from typing import Annotated as Int64
    from typing import Annotated as Integer
    from typing import Annotated as Shaped
    from typing import Annotated as UInt8
elif "jaxtyping" in sys.modules:
    from jaxtyping import Bool, Complex64, Float, Float32, Float64, Int, Int16, Int64, Integer, Shaped, UInt8
else:

    class Shaped:
        """An array of any shape."""

        def __class_getitem__(cls, item: tuple[Any, str]) -> type:
            return item[0]

    Bool = Complex64 = Float = Float32 = Float64 = Int = Int16 = Int64 = Integer = UInt8 = Shaped
