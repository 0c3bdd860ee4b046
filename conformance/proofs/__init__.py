"""What `kubeproof prove` and `kubeproof spec` do: specifications proven, and shown to have teeth."""
