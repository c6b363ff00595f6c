"""What the tests compare with: formulas, differences, plain recursion; nothing of the project's derivative code."""
