"""The top-level folders are the subpackages of `kubeproof` (everything else about the distribution is in pyproject.toml)."""

from setuptools import find_packages, setup

folders = find_packages(include=["models*", "impl*", "conformance*"])
setup(
    packages=[f"kubeproof.{name}" for name in folders] + ["kubeproof.traces"],
    package_dir={f"kubeproof.{name}": name.replace(".", "/") for name in [*folders, "traces"]},
    package_data={
        "kubeproof.traces": ["*"],
        "kubeproof.models": ["hints/*.json"],
        "kubeproof.conformance.adapters.etcd_raft_go": ["*.go", "go.mod", "go.sum"],
        "kubeproof.conformance.interaction": ["scenarios/*.txt"],
        "kubeproof.conformance.nodes": ["*.schema.json"],
        "kubeproof.conformance.trace": ["*.schema.json"],
        "kubeproof.conformance.scenarios": ["*/*.yaml"],
    },
)
