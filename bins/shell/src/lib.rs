//! What the command lines share.
//!
//! | module | what it holds |
//! |---|---|
//! | [`output`] | what programs print, and what dead output means |
//! | [`manual`] | completions and man pages |

#![forbid(unsafe_code)]

pub mod manual;
pub mod output;
