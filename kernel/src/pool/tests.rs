//! The pool: every rejection, and agreement with a naive model.
