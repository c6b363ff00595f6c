"""Derivatives of functions: gradients, products with Jacobians, Jacobians and Hessians, nested to any order.

The room imports ``ops``, ``core`` and ``semirings``.
"""

from .jacobians import hessian, jacobian
from .transforms import elementwise_grad, grad, hvp, jvp, value_and_grad, vjp

__all__ = ["elementwise_grad", "grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"]
