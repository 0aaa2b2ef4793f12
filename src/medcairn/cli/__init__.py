"""The command line: one module per command group; see :mod:`medcairn.cli.main`."""
