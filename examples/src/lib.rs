//! Whole programs that use Cohort's crates stand in `src/bin`. The chapter about the library, whose
//! code blocks are compiled here, explains them.
#![doc = include_str!("../../docs/LIBRARY.md")]
