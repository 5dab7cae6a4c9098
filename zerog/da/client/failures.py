"""Failures of tasks that worked together, as if one had worked alone."""

__all__ = ["first_failure"]


def first_failure(failure: BaseException) -> BaseException:
    """What one of the tasks raised first, without the groups that it went through."""
    return first_failure(failure.exceptions[0]) if isinstance(failure, BaseExceptionGroup) else failure
