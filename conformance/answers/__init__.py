"""Recorded answers of real etcd servers, held against impl/store (format `etcd-answers`)."""

from kubeproof.conformance.answers.checker import AnswersChecker, CannotBeReplayed, OtherAnswer
from kubeproof.conformance.answers.reading import AnswersReader

__all__ = ["AnswersChecker", "AnswersReader", "CannotBeReplayed", "OtherAnswer"]
