"""Tools for maintainers: stubs, coverage, architecture, notebooks. No module of the package imports them."""
