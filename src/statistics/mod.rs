//! Tests and sequential evidence: numbers in, numbers out, each by its published formula.

pub mod e_process;
pub mod ks;
pub mod mmd;
pub mod psi;
