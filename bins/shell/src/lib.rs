//! What the command lines share.
//!
//! | module | what it holds |
//! |---|---|
//! | [`output`] | what programs print, and what dead output means |
//! | [`places`] | where files are going to be made |
//! | [`recordings`] | programs as the processes that keep recordings |
//! | [`signals`] | somebody asks a program to end |
//! | `manual` | completions and man pages, if the feature of that name is on |

#![forbid(unsafe_code)]

#[cfg(feature = "manual")]
pub mod manual;
pub mod output;
pub mod places;
pub mod recordings;
pub mod signals;
