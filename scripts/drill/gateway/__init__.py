"""The drill of the gateway: streams that are open while servers, databases, upstreams and clients go away."""
