"""For maintainers: generated stubs and the coverage page. Outside the package, and imported by nothing in it."""
