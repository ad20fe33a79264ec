"""What runs on Dask's workers. Nothing imports it unless that was asked for."""
