"""Jobs and sweeps on Dask's workers."""
