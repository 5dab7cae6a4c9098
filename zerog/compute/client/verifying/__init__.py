"""Checking a saved answer: first its bytes against each other, then against the chain."""

from zerog.compute.client.verifying.offline import check_bytes
from zerog.compute.client.verifying.onchain import verify_answer
from zerog.compute.client.verifying.verdict import Grade, Verdict

__all__ = ["Grade", "Verdict", "check_bytes", "verify_answer"]
