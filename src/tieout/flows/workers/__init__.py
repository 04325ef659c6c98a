"""A worker process: the durable engine, what hands work to it, and what sweeps up after crashes."""
