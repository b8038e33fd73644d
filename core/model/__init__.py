"""Models in memory: loading a base, putting an adapter on it, computing losses. torch is at home here."""
