//! Logs for people: parts of them as lines, lines that stand out, and search.

pub(crate) mod clock;
pub(crate) mod fold;
pub(crate) mod name;
pub(crate) mod notable;
pub(crate) mod search;
pub(crate) mod window;

#[cfg(test)]
mod measured;
#[cfg(test)]
mod tests;
