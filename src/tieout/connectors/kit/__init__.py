"""What connectors share: the interface, HTTP, manifests, errors, protocol families, conformance."""
