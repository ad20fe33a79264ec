"""The estimator of an installed app: the wheel holds this file as see_the_anomaly/estimator.py."""

from see_the_anomaly.app.core.estimator import OneClassAutoencoder

__all__ = ["OneClassAutoencoder"]
