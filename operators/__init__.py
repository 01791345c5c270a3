"""The hands: watches, the loop, observe and apply against Kubernetes. `controllers` decides."""
