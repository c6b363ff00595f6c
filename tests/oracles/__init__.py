"""What the tests compare with: formulas, differences and plain recursion, sharing none of the project's derivative code."""
